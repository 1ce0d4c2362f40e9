"""A validator's keys in a process of their own: `channel` between, `server` beside the keys, `remote` in the node.

Rule: the signer believes nothing of the node's: it has a guard of its own, synced before each signature. Whatever goes
wrong between the two costs a vote, never a second signature and never the node.
"""
