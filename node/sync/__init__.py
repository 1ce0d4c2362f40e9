"""How a node joins and recovers: its home, states from peers and from disk."""
