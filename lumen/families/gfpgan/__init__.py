"""GFPGAN: finer frames, with the face restored.

Begin with ``enhancer``, which cuts faces out, has them restored and puts them back; ``dims`` has the sizes.
"""
