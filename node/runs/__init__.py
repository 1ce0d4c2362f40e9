"""Run files: numbers in, every intermediate out. No node, no network, no state."""
