"""Governance: how the rules themselves are changed, and the bounds that no vote can pass."""
