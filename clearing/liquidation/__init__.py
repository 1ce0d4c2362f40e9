"""Liquidation: how much of an account that cannot cover maintenance is closed, at which price, and who takes it."""
