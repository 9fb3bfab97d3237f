"""SadTalker (Zhang et al., 2023, arXiv:2211.12194): what its Triton models do, without torch."""
