"""What a watcher shows of its chain, and which faults stop it.

Rule: a fault that proves a broken rule of the chain or the vault halts the chain until an operator releases it; a fault
by which final blocks are in doubt forbids to attest anything of it; every other fault is waited out. A token of which
the vault lacks some halts no chain: the ledger halts the asset.
"""

from dataclasses import dataclass
from enum import Enum

from bridge.codes import BridgeCode
from bridge.watch.cursor import Halt

HALTING = frozenset(
    (
        BridgeCode.FINALITY_VIOLATION,
        BridgeCode.NONCE_REPLAYED,
        BridgeCode.MALFORMED_EVENT,
        BridgeCode.DEPOSITS_HASH_MISMATCH,
        BridgeCode.DISPUTE_UNDECIDED,
        BridgeCode.LIGHT_CLIENT_CONFLICT,
        BridgeCode.VAULT_ON_OTHER_BRANCH,
    )
)
BLOCKS_IN_DOUBT = frozenset(
    (
        BridgeCode.FINAL_BLOCK_DISPUTED,
        BridgeCode.FINAL_BLOCK_LACKING,
        BridgeCode.DISPUTE_UNDECIDED,
        BridgeCode.FINALITY_VIOLATION,
        BridgeCode.LIGHT_CLIENT_CONFLICT,
    )
)
"""Faults by which blocks that facts were read from may not be the chain's."""
NOT_CHECKED = "not checked since the start"


class Alarm(Enum):
    """A lasting condition that an operator must hear of."""

    BLOCKS_IN_DOUBT = "final blocks are in doubt: nothing of the chain is attested"
    CUSTODY_MISSING = "the vault's counters can't be read"
    TOKEN_SHORT = "the vault has less of a token than it accounts for"


@dataclass(slots=True)
class WatcherStatus:
    """For health and metrics. `last_fault` stays until a poll succeeds."""

    final_number: int = 0
    scanned_number: int = 0
    facts: int = 0
    faults: int = 0
    last_fault: str = ""
    expired_fault: str = ""
    """Why expired withdrawals can't be read, until they can."""
    custody_fault: str = ""
    """Why the newest counters of the vault are missing, until they are read."""
    shortage: str = ""
    """Of which tokens the vault lacks some, by the newest counters; the other tokens go on."""
    halt: Halt | None = None
    doubt: str = ""
    """Why final blocks are in doubt: nothing of the chain is attested meanwhile."""
