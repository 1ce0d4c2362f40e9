"""Price scan ranges: how far prices may move before an account can be closed out, learnt from past moves.

Rule: integers only; every figure follows from prices that were agreed before it is used. Genesis sets rules and
bounds; the state contains what was observed.
"""
