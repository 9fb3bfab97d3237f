"""The warp face: the graph of its frame renderer, built by hand, and the bundled portraits.

Begin with ``export`` and ``renderer``; ``reference`` is the independent one that ``check`` compares.
"""
