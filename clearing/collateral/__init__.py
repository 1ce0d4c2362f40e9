"""Collateral rules: haircuts, cash groups and depeg guard, soft credit restrictions, skew fees, interest."""
