"""The default fund: what members contribute, how large it must be, and what it consists of."""
