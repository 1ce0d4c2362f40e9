"""The clearing house as consensus drives it, and the engine that runs one consensus replica on a real network and clock."""
