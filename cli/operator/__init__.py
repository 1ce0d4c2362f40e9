"""Commands of whoever runs a node: set it up, start it, look at it, repair it, and change who agrees on what."""
