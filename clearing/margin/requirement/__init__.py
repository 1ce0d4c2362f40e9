"""The margin requirement of accounts: the definition, the batch computation, and the book that is kept up to date."""
