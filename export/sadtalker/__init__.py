"""SadTalker checkpoints in, ``model_repository/sadtalker*`` out."""
