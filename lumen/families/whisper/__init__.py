"""Whisper recognises speech in a hundred languages. Begin with ``family.py``, then ``recognizer.py``.

The package ``faster-whisper`` runs it; the network is a folder in CTranslate2's format, which an operator
brings (``lumen export whisper``) or fetches (``lumen export download whisper``).
"""
