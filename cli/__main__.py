"""`python -m cli` is `crossclear`."""

from cli.main import main

main()
