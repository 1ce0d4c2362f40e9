"""Secrets on disk: EIP-2335 keystores, password files, and the ring of keys that a node holds."""
