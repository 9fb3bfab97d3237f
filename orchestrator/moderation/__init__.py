"""Moderation: the operator's own service or function is asked about texts, pictures and names.

Begin reading at `moderation.py`; `moderators.py` has the two ways to ask.
"""
