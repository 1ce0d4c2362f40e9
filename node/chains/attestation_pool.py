"""`AttestationPool`: facts that this node's bridge adapters saw and the network has not agreed on yet.

Rule: a fact stays until the decided state knows it, so a restart or a lost height loses nothing. An extension takes the
oldest of each kind and chain first, in turn, within its limits: a flood on one chain delays no other chain, and of its
own chain only the same kind. Only own observations are attested, and none of a chain whose final blocks are in doubt.
"""

from collections.abc import Iterable, Sequence
from itertools import islice, zip_longest

from clearing.base.codec import encode
from clearing.deposits.soft_credit import SIGHTED_DEPOSITS_MAX
from clearing.schema.blocks.block import FACTS_AND_SURFACES_BYTES_MAX, FACTS_MAX
from clearing.schema.blocks.deposit_batch import DEPOSITS_MAX, write_facts
from clearing.schema.facts import (
    ChainHeartbeat,
    CustodySeen,
    DepositSeen,
    DepositSighted,
    Fact,
    ValidatorsRotated,
    VaultFact,
    WithdrawalExecuted,
    WithdrawalNotExecuted,
    fact_key,
)
from clearing.schema.records.collateral import AttestationsRecord
from clearing.state.state import State
from clearing.validators.chain_attestations import is_detached
from clearing.validators.set_transition import rotation_is_over
from clearing.validators.validator_sets import attesting_set
from clearing.withdrawals.refunds import is_expiry_attestable, is_withdrawal_open

CANDIDATES_MAX = 4 * DEPOSITS_MAX
"""So many facts are tried for an extension."""


class AttestationPool:
    """Facts by chain, in the order in which the adapters reported them. `own_key` is this validator's envelope key."""

    def __init__(self, own_key: bytes) -> None:
        self._own_key = own_key
        self._events: dict[tuple[int, int, bytes, int], VaultFact] = {}
        self._custody: dict[tuple[int, bytes, bytes], CustodySeen] = {}
        self._heartbeats: dict[int, ChainHeartbeat] = {}
        self._sighted: dict[int, tuple[DepositSighted, ...]] = {}
        self._unpaid: dict[int, tuple[WithdrawalNotExecuted, ...]] = {}
        self._withheld = set[int]()

    def withhold(self, chain_id: int, *, withheld: bool) -> None:
        """From here on attest nothing of a chain, because its final blocks are in doubt; or attest it again."""
        (self._withheld.add if withheld else self._withheld.discard)(chain_id)

    def sight(self, chain_id: int, view: tuple[DepositSighted, ...]) -> bool:
        """Take in what is seen of a chain ahead of finality, in place of what was; whether it differs."""
        changed = self._sighted.get(chain_id, ()) != view
        self._sighted[chain_id] = view
        return changed

    def miss(self, chain_id: int, view: tuple[WithdrawalNotExecuted, ...]) -> bool:
        """Take in what a chain's vault never paid, in place of what was; whether it differs."""
        changed = self._unpaid.get(chain_id, ()) != view
        self._unpaid[chain_id] = view
        return changed

    def add(self, fact: Fact) -> None:
        """Take in what an adapter saw; a newer custody or heartbeat replaces the older."""
        if isinstance(fact, ChainHeartbeat):
            self._heartbeats[fact.chain_id] = fact
        elif isinstance(fact, CustodySeen):
            self._custody[fact.chain_id, fact.vault, fact.token] = fact
        elif isinstance(fact, DepositSighted | WithdrawalNotExecuted):
            pass  # only a whole view counts, see `sight` and `miss`
        else:
            self._events.setdefault(fact_key(fact), fact)

    def __len__(self) -> int:
        return len(self._events)

    def pending(self, state: State, reserved: int = 0) -> tuple[Fact, ...]:
        """What to attest now: events, custody and heartbeats that `state` lacks from us, within the limits.

        `reserved`: bytes of the extension that surfaces take, at most `SURFACES_BYTES_MAX`; prices have their own.
        """
        for key in [key for key, fact in self._events.items() if event_is_agreed(state, fact)]:
            del self._events[key]
        own = attesting_set(state).index_of.get(self._own_key)
        custody = [fact for _, fact in sorted(self._custody.items()) if _custody_is_news(state, fact, own)]
        beats = [fact for _, fact in sorted(self._heartbeats.items()) if _heartbeat_is_news(state, fact, own)]
        events = [
            fact
            for fact in self._events.values()
            if _is_within_window(state, fact) and not _attested(state.fact_attestations.get(fact_key(fact)), fact, own)
        ]
        seen = [
            fact for _, view in sorted(self._sighted.items()) for fact in view if _sighting_is_news(state, fact, own)
        ]
        missed = [fact for _, view in sorted(self._unpaid.items()) for fact in view if _miss_is_news(state, fact, own)]
        news = (fact for fact in (*events, *custody, *beats, *seen, *missed) if fact.chain_id not in self._withheld)
        facts = _in_turn(news, state.now.height)
        return tuple(_within(FACTS_AND_SURFACES_BYTES_MAX - reserved, facts))


def _custody_is_news(state: State, fact: CustodySeen, own: int | None) -> bool:
    asset = state.terms.assets_by_token.get((fact.chain_id, fact.vault, fact.token))
    if asset is None or is_detached(state, fact.chain_id, fact.vault):
        return False
    agreed = state.custody.get(asset.id)
    newer = agreed is None or fact.block_number > agreed.counters.block_number
    return newer and not _attested(state.custody_attestations.get(asset.id), fact, own)


def _heartbeat_is_news(state: State, fact: ChainHeartbeat, own: int | None) -> bool:
    beat = state.heartbeats.get((fact.chain_id, own)) if own is not None else None
    return beat is None or fact.block_number > beat.block_number


def _sighting_is_news(state: State, fact: DepositSighted, own: int | None) -> bool:
    if (fact.chain_id, fact.vault, fact.nonce) in state.soft_credits or event_is_agreed(state, fact):
        return False
    if fact.nonce > _credited_nonce(state, fact) + SIGHTED_DEPOSITS_MAX:
        return False
    return not _attested(state.fact_attestations.get(fact_key(fact)), fact, own)


def _is_within_window(state: State, fact: VaultFact) -> bool:
    """Whether the state stores attestations of this event already. Later deposits would only take up room."""
    if not isinstance(fact, DepositSeen):
        return True
    return fact.nonce <= _credited_nonce(state, fact) + state.terms.market.deposit_window


def _credited_nonce(state: State, fact: DepositSeen | DepositSighted) -> int:
    cursor = state.deposit_cursors.get((fact.chain_id, fact.vault))
    return cursor.nonce if cursor is not None else 0


def _miss_is_news(state: State, fact: WithdrawalNotExecuted, own: int | None) -> bool:
    waited_for = is_expiry_attestable(state, fact) and not is_detached(state, fact.chain_id, fact.vault)
    return waited_for and not _attested(state.fact_attestations.get(fact_key(fact)), fact, own)


def _attested(attestations: AttestationsRecord | None, fact: Fact, own: int | None) -> bool:
    """Whether the state already has our attestation of exactly this fact. `own`: our index in it, None without one."""
    known = attestations.attestations if attestations is not None else ()
    return any(attestation.validator == own and attestation.fact == fact for attestation in known)


def event_is_agreed(state: State, fact: VaultFact | DepositSighted) -> bool:
    """Whether the event needs no attestation: a quorum's is in the state, or its vault was detached."""
    if is_detached(state, fact.chain_id, fact.vault):
        return True
    if isinstance(fact, ValidatorsRotated):
        return rotation_is_over(state, fact)
    if isinstance(fact, WithdrawalExecuted):
        return fact.nonce in state.withdrawals and not is_withdrawal_open(state, fact.nonce)
    credited = fact.nonce <= _credited_nonce(state, fact)
    return credited or state.agreed_deposits.get((fact.chain_id, fact.vault, fact.nonce)) is not None


def _in_turn(news: Iterable[Fact], height: int) -> Iterable[Fact]:
    """One of each kind and chain after the other; where there are more of these than an extension has room for, each
    height begins with another."""
    lanes: dict[tuple[str, int], list[Fact]] = {}
    for fact in news:
        lanes.setdefault((type(fact).__name__, fact.chain_id), []).append(fact)
    keys = sorted(lanes)
    first = height % len(keys) if len(keys) > FACTS_MAX else 0
    turns = zip_longest(*(lanes[key] for key in (*keys[first:], *keys[:first])))
    return (fact for turn in turns for fact in turn if fact is not None)


def _within(limit: int, facts: Iterable[Fact]) -> Sequence[Fact]:
    """The first facts that an extension has room for as it writes them, and later deposits that continue a batch."""
    chosen: list[Fact] = []
    deposits = 0
    for fact in islice(facts, CANDIDATES_MAX):
        is_deposit = isinstance(fact, DepositSeen)
        written = write_facts((*chosen, fact))
        if len(written) > FACTS_MAX or deposits + is_deposit > DEPOSITS_MAX or len(encode(written)) > limit:
            continue
        chosen.append(fact)
        deposits += is_deposit
    return chosen
