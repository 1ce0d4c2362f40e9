"""Accounts: ownership, signatories, opening, closing, transfers and porting."""
