"""What is compared: the parameters of calls, liquidation and default of each replay, by name.

Rule: each differs from the one before it in one thing.
"""

from clearing.crisis import CrisisParameters

SETTINGS: dict[str, CrisisParameters] = {
    "house": CrisisParameters(),
}
"""`house`: below maintenance the house takes over at once, at the mark, and pays what is missing."""
