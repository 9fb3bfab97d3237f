"""The warp face: motion heard in the audio, frames drawn by a graph without learned weights."""
