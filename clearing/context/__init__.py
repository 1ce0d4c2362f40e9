"""The block context: what the rules of a block share, and the checks that many requests begin with.

Rule: it knows the state and the schema, but no rule.
"""
