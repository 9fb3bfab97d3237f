"""The benchmark of the warp face's renderer: what it asks of renderers of different ages."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.warp_renderer import milliseconds
from lumen.families.portrait.portrait import Portrait
from lumen.families.warp.clip import BATCH_FRAMES


@dataclass
class Input:
    name: str
    shape: list[Any]


class Renderer:
    """A renderer that refuses inputs of other shapes than it has declared."""

    def __init__(self, depth: int, columns: int) -> None:
        self._shapes = {"crop": ["B", "S", "S", 3], "mesh": ["B", 468, depth], "motion": ["B", columns]}
        self.calls = 0

    def get_inputs(self) -> list[Input]:
        return [Input(name, shape) for name, shape in self._shapes.items()]

    def run(self, outputs: None, inputs: dict[str, Any]) -> None:
        assert inputs.keys() == self._shapes.keys()
        for name, shape in self._shapes.items():
            assert len(inputs[name]) == BATCH_FRAMES
            assert inputs[name].shape[-1] == shape[-1]
        self.calls += 1


def test_each_renderer_gets_what_it_takes() -> None:
    """An older one knows neither depth nor all columns; both draw as many batches, in turns."""
    portrait = Portrait(np.zeros((256, 256, 3), np.uint8), np.zeros((468, 3), np.float32))
    ours, older = Renderer(3, 17), Renderer(2, 14)
    found = milliseconds({"ours": ours, "older": older}, portrait, 3)
    assert ours.calls == older.calls == 5
    assert set(found) == {"ours", "older"}
