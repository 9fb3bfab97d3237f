"""Speech made faster or slower than a voice speaks, at the same pitch."""

import av
import numpy as np
import numpy.typing as npt


class Tempo:
    """Changes the tempo of a mono stream, piece by piece: FFmpeg's ``atempo`` (WSOLA, overlapping pieces).

    Args:
        factor: 0.5 to 100; 2.0 halves the length, 1.0 passes through untouched.
        rate: samples per second.
    """

    def __init__(self, factor: float, rate: int) -> None:
        self._rate = rate
        self._samples = 0
        self._graph = None if factor == 1.0 else _graph(factor, rate)

    def process(self, pcm: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Take float32 [n_samples] and return float32 [m]: what is ready, which may be nothing."""
        if self._graph is None or not len(pcm):
            return pcm
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(pcm[None]), format="flt", layout="mono")
        frame.sample_rate, frame.pts = self._rate, self._samples
        self._samples += len(pcm)
        self._graph.push(frame)
        return self._ready(self._graph)

    def flush(self) -> npt.NDArray[np.float32]:
        """Return the rest, float32 [m]; it takes nothing more afterwards."""
        if self._graph is None or not self._samples:
            return np.zeros(0, np.float32)
        self._graph.push(None)
        return self._ready(self._graph)

    def _ready(self, graph: av.filter.Graph) -> npt.NDArray[np.float32]:
        """Take what the filter has made since the last call."""
        pieces = [np.zeros(0, np.float32)]
        while True:
            try:
                pieces.append(graph.pull().to_ndarray()[0])
            except (av.BlockingIOError, av.EOFError):
                return np.concatenate(pieces)


def _graph(factor: float, rate: int) -> av.filter.Graph:
    graph = av.filter.Graph()
    source = graph.add_abuffer(format="flt", sample_rate=rate, layout="mono", time_base=None)
    tempo, sink = graph.add("atempo", f"{factor:.6f}"), graph.add("abuffersink")
    source.link_to(tempo)
    tempo.link_to(sink)
    graph.configure()
    return graph
