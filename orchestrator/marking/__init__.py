"""Marks on what is made: plain metadata, a signed provenance record (C2PA), a visible label.

Begin reading at `marking.py`, which decides what an output carries.
"""
