"""Runtime of exported networks inside Triton: ONNX and TorchScript files, batches, checks of the files.

Begin with ``batches``; ``onnx_session`` and ``torch_session`` are the two engines behind it.
"""
