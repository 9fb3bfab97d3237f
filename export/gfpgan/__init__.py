"""GFPGAN v1.4: a checkpoint becomes the Triton model ``gfpgan``; also downloads and random checkpoints.

Begin with ``export``; the network is in ``networks/``, the file's layout in ``files`` and ``checkpoint``.
"""
