"""The default fund: sizing, contributions, calls, payments and draws."""
