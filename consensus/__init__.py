"""How the network agrees: a pure Byzantine-fault-tolerant core that knows no money.

Rule: `step(state, input) -> (state, effects)`; no clock, no I/O, no randomness. Of `clearing` it imports only the base.
"""
