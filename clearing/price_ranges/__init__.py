"""Price scan ranges: how far prices may move before an account can be closed out, estimated from past moves.

Rule: integers only. Every figure follows from prices agreed before it is used. Genesis sets rules and bounds; the state
contains the observations.
"""
