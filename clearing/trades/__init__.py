"""Trades: from an agreement outside to novated positions; venues, mandates, trades that wait, their statements."""
