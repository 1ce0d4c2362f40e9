"""Receipts explained: margin calls, liquidations, defaults and the default fund, with every figure recomputed."""
