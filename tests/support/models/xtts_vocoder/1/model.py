"""Loads, and is never asked by the orchestrator: the model `xtts` asks it."""

from typing import Any


class TritonPythonModel:
    def execute(self, requests: list[Any]) -> list[Any]:
        raise NotImplementedError
