"""Risk arrays: what one lot or unit is worth in every scenario, and the rates of charges, for all accounts."""
