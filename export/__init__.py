"""Exports: checkpoints become verified models in ``model_repository/``; one package per model family.

Begin with ``models`` (the loop over a family's models), ``install`` (a version is put in place) and ``artifact``.
"""
