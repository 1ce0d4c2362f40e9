"""A validator's own prices.

Rule: a source is read off the path of consensus, into a cache; a vote extension takes them from there. Prices of
peers arrive by gossip for display and comparison only: no report is ever copied from another validator.
"""
