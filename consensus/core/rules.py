"""The rules of the core, numbered: by their line in Algorithm 1 of arXiv 1807.04938, or from 101 on those that
certificates add.

Rule: each is reported as `Fired` when it applies, so that traces, metrics and tests use the same names.
"""

from enum import IntEnum


class Rule(IntEnum):
    """The rules that can fire."""

    L11_START_ROUND = 11
    L16_PROPOSE_VALID = 16
    """The proposer proposes its valid value again, with the polka."""
    L18_BUILD = 18
    """The proposer asks for a new block."""
    L22_PREVOTE = 22
    L28_PREVOTE_AGAIN = 28
    L34_WAIT_PREVOTES = 34
    L36_LOCK = 36
    L44_NIL_POLKA = 44
    L47_WAIT_PRECOMMITS = 47
    L49_DECIDE = 49
    L55_SKIP = 55
    L57_PROPOSE_TIMEOUT = 57
    L61_PREVOTE_TIMEOUT = 61
    L65_PRECOMMIT_TIMEOUT = 65
    HIDDEN_LOCK = 101
    """A prevote certificate of another round raises valid value and round: others may be locked on it."""
    SHOW_POLKA = 102
    """A round begins: the highest prevote certificate known goes to all."""
    FETCH_FINAL = 103
    """A value is final and its block is not here."""
    REFUSE_SHARES = 104
    """Shares did not verify: their power is removed."""
    AHEAD_OF_CLOCK = 105
    """The time of a fresh proposal is ahead of the own clock: nil is prevoted."""
