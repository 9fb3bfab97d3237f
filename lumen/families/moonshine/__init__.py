"""Moonshine recognises English speech. Begin with ``family.py``, then ``recognizer.py``.

The networks lie in the package ``moonshine-voice``, whose code is not used.
"""
