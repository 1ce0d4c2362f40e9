"""The risk statement: the requirement as slots and linear rows, which the solvency proof is about.

Rule: no module here loads numpy, so that a verifier starts quickly.
"""
