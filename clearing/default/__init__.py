"""Defaults: who bears the loss of a member that cannot pay, in which order, and how a default ends."""
