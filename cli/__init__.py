"""The command line: each command reads its options, calls one function of another package and prints the result."""
