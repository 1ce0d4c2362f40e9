"""How a node joins and comes back: its home, states from peers and from disk."""
