"""Risk arrays: the value of one lot or unit in every scenario, and the rates of charges, for all accounts."""
