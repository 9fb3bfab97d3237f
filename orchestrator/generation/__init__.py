"""Generation: from the checked body of a request to its answer, for whoever waits for it and for jobs alike.

Begin with `clips`: `clip_order` says what a body asks for, and `make_clip` makes it.
"""
