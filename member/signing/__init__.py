"""Requests signed where the key is: trades and cancellations, governance proposals and votes, changes of validators."""
