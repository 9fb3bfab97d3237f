"""How the bundled portraits are drawn: a shaded relief with painted features and combed strands."""
