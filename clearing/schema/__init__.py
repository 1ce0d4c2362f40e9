"""Schema: the data types that several subjects of clearing share, below all rules.

Rule: data only. It imports `clearing.base` and itself, nothing else, so two rules never import each other for a type.
"""
