"""Epochs: snapshots for the solvency proofs, and the exit tree."""
