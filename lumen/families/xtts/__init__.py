"""XTTS v2 (Casanova et al., 2024, arXiv:2406.04904): what its Triton models do, without torch."""
