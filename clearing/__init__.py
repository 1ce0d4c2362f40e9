"""The clearing domain: what the network agrees on.

Rule: pure and deterministic. Integers only, sorted iteration, no clock, no randomness, no input or output.
It knows no network, no disk and no chain client; the import contracts in `pyproject.toml` enforce that.
"""
