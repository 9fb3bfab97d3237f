"""Commands of ``lumen`` that are more than a few lines."""
