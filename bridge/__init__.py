"""Where collateral lives: vault contracts on EVM chains, and the adapter that tells what happened there.

Rule: nothing leaves this package but `clearing.schema.facts`, each proven against a block that a quorum of endpoints agreed is
final. What is doubtful is not told.
"""
