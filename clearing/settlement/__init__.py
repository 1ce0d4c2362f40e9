"""Settlement: mark to market, funding, expiry and delivery."""
