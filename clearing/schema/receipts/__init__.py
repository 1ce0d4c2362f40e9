"""Receipts: what a block did and why, one file a subject."""
