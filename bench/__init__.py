"""Benchmarks: load on a running LUMEN (``lumen bench``), and single networks (``python -m bench.NAME``).

Begin with ``run`` for the command, and with ``runner`` for what all measurements share.
"""
