"""A client of a model that answers in streams."""

import queue
from collections.abc import Iterator
from typing import Any

import numpy as np
import tritonclient.grpc as grpc
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from lumen.triton.server import TritonServer

ANSWER_SECONDS = 60.0
Answer = NDArray[np.uint8] | InferenceServerException


class Stream:
    """Client of one model: a gRPC stream with any number of requests."""

    def __init__(self, server: TritonServer, model: str) -> None:
        self._model = model
        self._client = grpc.InferenceServerClient(server.grpc_url)
        self._answers: queue.Queue[Any] = queue.Queue()
        self._client.start_stream(lambda result, error: self._answers.put(error or result))

    def ask(self, **values: Any) -> None:
        inputs = [tensor(name, value) for name, value in values.items()]
        self._client.async_stream_infer(self._model, inputs, enable_empty_final_response=True)

    def until_final(self) -> Iterator[Answer]:
        """Frames of each response, or the error; ends with the final flag."""
        while True:
            answer = self._answers.get(timeout=ANSWER_SECONDS)
            if isinstance(answer, InferenceServerException):
                yield answer
                return
            frames = answer.as_numpy("frames")
            if frames is not None:
                yield frames
            if answer.get_response().parameters["triton_final_response"].bool_param:
                return

    def frames(self) -> NDArray[np.uint8]:
        answers = list(self.until_final())
        assert not any(isinstance(answer, InferenceServerException) for answer in answers), answers
        return np.concatenate([answer for answer in answers if isinstance(answer, np.ndarray)])

    def close(self, cancel: bool = False) -> None:
        self._client.stop_stream(cancel_requests=cancel)
        self._client.close()


def tensor(name: str, value: Any) -> grpc.InferInput:
    array = np.asarray(value)
    given = grpc.InferInput(name, array.shape, np_to_triton_dtype(array.dtype))
    given.set_data_from_numpy(array)
    return given
