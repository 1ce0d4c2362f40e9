"""Vaults of a network for their operators: deployed, checked, followed, brought up to date."""
