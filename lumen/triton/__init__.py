"""Triton: its server is found, started, watched and stopped, and its Python models are adapted.

Begin with ``serve`` and ``server``; a ``model.py`` uses ``adapter`` and ``calls``.
"""
