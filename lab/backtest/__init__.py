"""Backtests: price ranges and margins walked over recorded prices, and how often a move went beyond them."""
