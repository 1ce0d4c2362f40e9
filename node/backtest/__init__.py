"""Backtests: the network's own range and margin rules over recorded prices, judged by what happened next.

Rule: no rule of clearing is written again here, and nothing is estimated from prices at or after the point it is
tested on.
"""
