"""XTTS v2: a checkpoint becomes the five models ``model_repository/xtts*``.

Begin with ``export``; ``gpt`` and ``vocoder`` are the large ones, each with a module for its graph.
"""
