"""How far the decided state is with an event of a vault: proven here, attested by a quorum, credited, or refused.

Rule: reads only. The state keeps a deposit that was credited as its nonce alone, so what became of one is read best in
the block that credits it.
"""

from dataclasses import dataclass
from enum import Enum

from bridge.codes import BridgeCode
from clearing.base.errors import Rejected
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.facts import DepositSeen, VaultFact, fact_key
from clearing.state.state import State
from clearing.validators.chain_attestations import agreed_power, is_detached
from node.chains.attestation_pool import event_is_agreed


class Progress(Enum):
    """The steps of an event, in order; the last two are ends."""

    SUBMITTED = "submitted"
    """Not found on its chain yet."""
    SEEN = "seen"
    """In a block that is not final."""
    FINAL = "final"
    """In a final block that this node has not scanned."""
    PROVEN = "proven"
    """This node proved it and attests it."""
    ATTESTED = "attested"
    """More than two thirds of the power attest it; it waits for its turn."""
    CREDITED = "credited"
    """A deposit is credited, another event applied."""
    REFUSED = "refused"

    @property
    def is_end(self) -> bool:
        """Whether nothing follows."""
        return self in (Progress.CREDITED, Progress.REFUSED)


@dataclass(frozen=True, slots=True)
class EventProgress:
    """`power` attests it, until a quorum does; `problem` says why it was refused or waits."""

    progress: Progress
    power: int = 0
    problem: Rejected | None = None


def progress_in_state(state: State, fact: VaultFact) -> EventProgress:
    """The progress of an event that this node has proven."""
    if is_detached(state, fact.chain_id, fact.vault):
        return _refused(Rejected(BridgeCode.VAULT_DETACHED, "event", (("vault", fact.vault),)))
    if isinstance(fact, DepositSeen):
        return _deposit_progress(state, fact)
    return EventProgress(Progress.CREDITED) if event_is_agreed(state, fact) else _attested_by(state, fact)


def _deposit_progress(state: State, fact: DepositSeen) -> EventProgress:
    key = (fact.chain_id, fact.vault, fact.nonce)
    stray, refunded = state.stray_deposits.get(key), state.refunded_deposits.get(key)
    found = refunded or stray
    if found is not None:
        problem = reject(ClearingCode(found.reason_code), "deposit", nonce=fact.nonce, token=fact.token)
        # A stray that waits may still be credited.
        return _refused(problem) if refunded is not None else EventProgress(Progress.ATTESTED, 0, problem)
    if state.agreed_deposits.get(key) is not None:
        return EventProgress(Progress.ATTESTED)
    cursor = state.deposit_cursors.get(key[:2])
    if cursor is None or cursor.nonce < fact.nonce:
        return _attested_by(state, fact)
    return EventProgress(Progress.CREDITED)


def _attested_by(state: State, fact: VaultFact) -> EventProgress:
    attestations = state.fact_attestations.get(fact_key(fact))
    return EventProgress(Progress.PROVEN, agreed_power(attestations, fact) if attestations is not None else 0)


def _refused(problem: Rejected) -> EventProgress:
    return EventProgress(Progress.REFUSED, 0, problem)
