"""GFPGAN v1.4: its network, its checkpoint and its export."""
