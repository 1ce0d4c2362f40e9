"""Trades: from an agreement outside to novated positions, with venues, mandates, pending trades and day statements."""
