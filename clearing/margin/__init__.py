"""Margin: what an account must hold. The requirement is the minimum of a system of linear rows."""
