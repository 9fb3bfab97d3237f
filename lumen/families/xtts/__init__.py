"""XTTS v2 (Casanova et al., 2024, arXiv:2406.04904): work of its Triton models, without torch.

Begin with ``speech``: text becomes ids (``text/``), latents (``gpt/``), and sound by windows of the vocoder.
"""
