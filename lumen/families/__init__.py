"""Model families: what each family's Triton models do, importable and tested without Triton.

One package per family; begin with the module that a ``model_repository/<name>/1/model.py`` imports.
"""
