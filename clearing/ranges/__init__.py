"""Ranges: how far prices and volatilities may move before an account can be closed out, learnt from what they did.

Rule: integers only; every figure follows from prices that were agreed before it is used. Genesis sets rules and bounds,
the state holds what was observed, `effective` joins both into the risk parameters of a height.
"""
