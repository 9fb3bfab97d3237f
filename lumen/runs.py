"""Runs of flags that are set."""

import numpy as np
import numpy.typing as npt


def runs_of(flags: npt.NDArray[np.bool_]) -> list[slice]:
    """Find the runs in flags, bool [n]: slices in order, each as long as it can be."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [slice(int(low), int(high)) for low, high in zip(edges[::2], edges[1::2], strict=True)]
