"""The network that hears mouth shapes: its voices, its training, its ONNX graph. Start in ``__main__``.

``python -m export.mouth build`` makes everything of model_repository/mouth/1 anew. The voices that it
learns from speak from phonemes, so the truth is known to the millisecond: ``voices`` has them,
``corpus`` says who speaks what.
"""
