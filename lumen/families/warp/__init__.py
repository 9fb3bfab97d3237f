"""The warp face: motion heard in the audio, frames drawn by a graph without learned weights.

Begin with ``clip`` (frames of a window) and ``motion`` (from sound to the motion of a face).
"""
