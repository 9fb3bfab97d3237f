"""XTTS v2 checkpoints in, ``model_repository/xtts*`` out."""
