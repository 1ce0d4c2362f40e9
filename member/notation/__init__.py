"""How a member writes and reads what the ledger counts: names in place of ids, units in place of integers."""
