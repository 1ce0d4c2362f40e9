"""Accounts: whose they are, who signs for them, how they are opened, closed and ported."""
