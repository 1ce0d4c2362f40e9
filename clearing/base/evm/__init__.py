"""EVM state: its encoding, its tries, and proofs of accounts and storage words."""
