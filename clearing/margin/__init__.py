"""Margin: the requirement of an account, the minimum of a system of linear rows."""
