"""The hibari voice: English from a network of 8 MB (package ``hibari-tts``). Start in ``synthesizer``."""
