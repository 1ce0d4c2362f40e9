"""Withdrawals: requests, controls, delays, release, refunds, and the reserve for unresolved losses."""
