"""Exports: checkpoints become verified models in ``model_repository/``; one package per model family.

Begin with ``models`` (the loop over a family's models), then ``install`` (puts a version in place).
"""
