"""Text on its way to a voice.

Begin with ``sentences``.
"""
