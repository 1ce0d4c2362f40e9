"""Margin calls, early calls and cash calls, with their deadlines."""
