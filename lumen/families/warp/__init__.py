"""The warp face: a mouth of phonemes or of what a small network hears, frames drawn by a graph without learned weights.

Begin with ``clip`` (frames of a window) and ``motion`` (from sound to the motion of a face).
"""
