"""What is proven of a margin snapshot: its rulebook, rows, ranges, assumptions, custody terms and auxiliary witness."""
