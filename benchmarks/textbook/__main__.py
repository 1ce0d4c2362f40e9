"""`python -m benchmarks.textbook`: the tables of `docs/explanation/textbook-portfolios.md`."""

from benchmarks.textbook.compare import tables

print(tables())
