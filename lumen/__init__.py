"""LUMEN: a prompt becomes a video of a portrait speaking the answer.

The ground of all other packages; begin with ``contracts`` (names and sizes), ``errors`` and ``settings``.
"""

__version__ = "0.1.0"
