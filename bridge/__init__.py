"""Where collateral lives: the vault contracts on EVM chains, and the adapter that reports what happened there.

Rule: only `clearing.schema.facts` leave this package, each proven against a block that a quorum of endpoints calls
final. Doubtful facts are not reported.
"""
