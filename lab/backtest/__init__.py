"""Backtests: price ranges and margins computed along recorded prices, and how often a move exceeded them."""
