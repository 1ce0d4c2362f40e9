"""Examination of configured endpoints for their operator: whether what the adapter needs of a chain is there."""
