"""Transactions sent to a chain: checkpoints and withdrawals for a vault, certified keys for a solvency verifier."""
