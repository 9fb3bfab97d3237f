"""LUMEN: a prompt becomes a video of a portrait speaking the answer."""

__version__ = "0.1.0"
