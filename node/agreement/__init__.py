"""The clearing house as consensus drives it, and the engine that runs a consensus replica on a real network."""
