"""One account's solvency for a contract: the linear proof with y fixed by a certified root, and certified keys."""
