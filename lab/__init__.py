"""The risk manager's bench: models and portfolios as files, their evaluation, run files, and backtests.

Rule: nothing here imports `node`, `devnet` or `cli`.
"""
