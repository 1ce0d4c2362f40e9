"""Calls: who is below what it must hold, by when that must be mended, and what follows when it is not."""
