"""Following the chain by certificates alone."""
