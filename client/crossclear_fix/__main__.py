"""`python -m crossclear_fix`."""

from crossclear_fix.command import main

main()
