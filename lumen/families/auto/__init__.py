"""A voice by a rule: English in one part, every other language in another. Begin with ``family``."""
