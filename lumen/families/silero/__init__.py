"""Silero's network tells when somebody speaks. Begin with ``family.py``, then ``network.py``.

The network lies in the package ``silero-vad``, whose code is not used.
"""
