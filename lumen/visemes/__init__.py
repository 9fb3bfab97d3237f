"""Mouth shapes of speech: from phonemes with times, or from sound alone. Start in ``curves``.

``table`` maps a phoneme to a mouth, ``curves`` phonemes with times to curves; ``features`` and
``hearing`` are what the network of the model ``mouth`` is asked with where only the sound is known.
"""
