"""SadTalker: a checkpoint becomes the seven networks ``model_repository/sadtalker_*``.

Begin with ``export``; each network's exporter has a module of its own, the networks are in ``networks/``.
"""
