"""Transactions on their way from a member into a block."""
