"""The demonstration: a story played on a devnet, the trading beside it, and the report."""
