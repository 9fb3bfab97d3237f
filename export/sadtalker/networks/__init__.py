"""SadTalker's networks (Zhang et al., 2023, arXiv:2211.12194), named as in its checkpoints.

Begin with ``generator`` (the renderer), ``audio2exp`` and ``audio2pose``; ``folding`` and ``tiled_renderer``
make the same renderer faster.
"""
