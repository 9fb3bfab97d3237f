"""hibari's further voices: files of the hub, which need no export. Start in ``download``."""
