"""Secrets on disk: files that only their owner can read, keystores under a password, the folder of a node's keys."""
