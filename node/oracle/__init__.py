"""Where a validator's own prices come from.

Rule: a source is read off the path of consensus, into a cache; a vote extension takes what the cache holds. Prices of
peers arrive by gossip for display and comparison only: no report is ever copied from another validator.
"""
