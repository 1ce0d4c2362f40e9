"""Collateral beyond holding it: haircuts, cash groups, soft credit, what negative cash costs and how it is called."""
