"""The warp face: a mouth of phonemes or of a network that hears them, frames drawn without learned weights.

Begin with ``clip`` (frames of a window) and ``motion`` (from sound to the motion of a face).
"""
