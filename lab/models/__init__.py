"""Risk models and portfolios as data: the files of the risk manager's bench, and their checks."""
