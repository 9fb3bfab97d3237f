"""The voice part that is a rule over two, hibari for English and eSpeak for the rest: start in ``family``."""
