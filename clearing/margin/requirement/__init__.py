"""The margin requirement of accounts: the definition, the batch computation, and the incremental book."""
