"""Receipts told in words: every step with its inputs, its arithmetic done again, and where a remainder went."""
