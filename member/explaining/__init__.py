"""Receipts in words: margin calls, liquidations, defaults and the default fund, with every figure computed again."""
