"""`python -m node.cli` is `crossclear`."""

from node.cli.main import main

main()
