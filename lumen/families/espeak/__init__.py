"""eSpeak NG: text becomes speech, by rules, in more than a hundred languages.

Begin with ``synthesizer``; ``library`` is its C interface, ``catalog`` what it can speak.
"""
