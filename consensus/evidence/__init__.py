"""Proof of misbehaviour: what it is, how it is found, and what a block may carry of it."""
