"""Documentation. `docs.generate` writes `docs/reference` out of the code."""
