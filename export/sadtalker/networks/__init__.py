"""SadTalker's networks (Zhang et al., 2023, arXiv:2211.12194), named as in its checkpoints."""
