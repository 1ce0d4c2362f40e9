"""Secrets on disk: files that only their owner can read, keystores under a password, and the folder that holds them."""
