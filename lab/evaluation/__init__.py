"""Evaluation of a risk model on a portfolio, every intermediate by name, with exact numbers."""
