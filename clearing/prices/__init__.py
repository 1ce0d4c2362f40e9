"""Prices: from reports to one agreed index, and what happens to a feed that stays away or jumps."""
