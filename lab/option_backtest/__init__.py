"""Backtests of books of options: margins along recorded prices and a simulated history of volatility surfaces."""
