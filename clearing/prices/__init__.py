"""Prices: from reports to one agreed index, and what happens to a feed without reports or with a jump."""
