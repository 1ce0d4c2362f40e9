"""Liquidation: how much of an account below maintenance is closed, at which price, and who takes it over."""
