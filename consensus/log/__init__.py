"""The write-ahead log, and coming back from it."""
