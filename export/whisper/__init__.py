"""Brings a Whisper model into the model repository, from the hub or from a folder: ``install.py``."""
