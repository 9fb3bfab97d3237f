"""Drawing of the bundled portraits: a shaded relief with painted features and combed strands.

Begin with ``likeness``, which says what a portrait looks like; ``painting`` has the brushes.
"""
