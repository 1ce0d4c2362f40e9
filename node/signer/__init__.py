"""A validator's keys in a process of their own: `channel` between, `server` beside the keys, `remote` in the node.

Rule: the signer trusts nothing from the node: it has a guard of its own, synced before each signature. A failure
between the two costs a vote, never a second signature and never the node.
"""
