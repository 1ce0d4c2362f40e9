"""`Submissions`: vault events that others submitted, each followed from its transaction to its end.

Rule: a submission is asked for once however often it is submitted, and every number is bounded: how many are looked
for, of one submitter and in all, and how many are remembered. What is forgotten, or lost by a restart, can be submitted
again: the state credits an event once and for ever.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Protocol

import structlog
import trio

from bridge.codes import BridgeCode
from bridge.evm.events import SubmittedEvent
from bridge.watch.cursor import ScanCursor
from bridge.watch.watcher import Watcher
from clearing.base.errors import Rejected, RemoteFault
from clearing.schema.facts import VaultFact
from clearing.state.state import State
from node.chains.event_progress import EventProgress, Progress, progress_in_state

WAITING_MAX = 64
"""Submissions of one chain that were not found there yet."""
WAITING_OF_ONE_MAX = 16
"""The same, of one submitter."""
REMEMBERED_MAX = 4096
PATIENCE_SECONDS = 3600.0
"""How long one is looked for that no quorum of endpoints has."""
LOOK_SECONDS = 0.5
LOOK_SECONDS_MAX = 60.0
"""The pause doubles from the first to the second while it is not found."""
REFUSING = frozenset(
    (
        BridgeCode.NOT_A_VAULT_EVENT,
        BridgeCode.BAD_TRIE_PROOF,
        BridgeCode.MALFORMED_RECEIPT,
        BridgeCode.MALFORMED_EVENT,
        BridgeCode.WRONG_CHAIN,
    )
)
"""Faults of the submission itself. After any other it is looked for again."""

log = structlog.get_logger(__name__)


class Submission(Enum):
    """What becomes of a submitted event."""

    ACCEPTED = "accepted"
    KNOWN = "known"
    NO_ROOM = "no room"
    """Too many wait: it can be submitted again later."""
    NOT_WATCHED = "not watched"
    """The chain is listed, and this node is not configured for it."""


@dataclass(frozen=True, slots=True)
class CollateralEvent:
    """What is submitted: a transaction of a chain by its hash, or one event with its proof. `reference` names it."""

    chain_id: int
    reference: bytes
    submitter: str
    proof: SubmittedEvent | None = None


@dataclass(frozen=True, slots=True)
class SubmissionStatus:
    """How far a submission is as a whole, and each event of the vault in it, once they are found."""

    progress: Progress
    problem: Rejected | None
    events: tuple[tuple[VaultFact, EventProgress], ...]


class EventReader(Protocol):
    """`bridge.watch.submitted_events.SubmittedEventReader`, or a test's."""

    async def of_transaction(self, transaction: bytes) -> tuple[VaultFact, ...]:
        """The vault's events in a mined transaction."""

    async def of_proof(self, submission: SubmittedEvent) -> VaultFact:
        """The event that a receipt proof proves."""

    async def check_final(self, fact: VaultFact, cursor: ScanCursor | None) -> None:
        """Check that a fact's block is final and on the main chain."""


@dataclass(slots=True)
class _Followed:
    """`facts` are known once it was found, and final and emitted once `is_proven`. Its proof is kept until then."""

    event: CollateralEvent
    by_proof: bool
    since: float
    look_at: float
    pause: float = LOOK_SECONDS
    facts: tuple[VaultFact, ...] = ()
    is_proven: bool = False
    is_refused: bool = False
    fault: RemoteFault | None = None
    ended: dict[VaultFact, EventProgress] = field(default_factory=dict)
    """Events that the state credited or refused while they were followed."""

    @property
    def is_open(self) -> bool:
        """Whether the chain is still to be asked."""
        return not (self.is_proven or self.is_refused)


class Submissions:
    """Of all chains. `follow` runs for each that is watched."""

    def __init__(self) -> None:
        self._followed: OrderedDict[tuple[int, bytes], _Followed] = OrderedDict()
        self._watchers: dict[int, Watcher] = {}
        self._submitted = trio.Event()

    def submit(self, event: CollateralEvent) -> Submission:
        """Look for an event from now on. One that was refused is looked for again."""
        key = (event.chain_id, event.reference)
        before = self._followed.get(key)
        if before is not None and not before.is_refused:
            return Submission.KNOWN
        waiting = [each.event.submitter for each in self._open(event.chain_id) if not each.facts]
        if len(waiting) >= WAITING_MAX or waiting.count(event.submitter) >= WAITING_OF_ONE_MAX:
            return Submission.NO_ROOM
        now = trio.current_time()
        self._followed[key] = _Followed(event, event.proof is not None, since=now, look_at=now)
        self._followed.move_to_end(key)
        if len(self._followed) > REMEMBERED_MAX:
            self._followed.popitem(last=False)
        self._submitted.set()
        return Submission.ACCEPTED

    def status(self, chain_id: int, reference: bytes, state: State) -> SubmissionStatus | None:
        """How far a submission is; None when it is not remembered here."""
        followed = self._followed.get((chain_id, reference))
        if followed is None:
            return None
        problem = _rejected(followed.fault)
        if not followed.facts or followed.is_refused:
            progress = Progress.REFUSED if followed.is_refused else Progress.SUBMITTED
            return SubmissionStatus(progress, problem, ())
        events = tuple((fact, self._progress(followed, fact, state)) for fact in followed.facts)
        return SubmissionStatus(_as_a_whole([each.progress for _, each in events]), problem, events)

    def settle(self, state: State) -> None:
        """Note which events a decided state has credited or refused."""
        for followed in self._followed.values():
            if followed.is_proven and len(followed.ended) < len(followed.facts):
                found = {fact: progress_in_state(state, fact) for fact in followed.facts if fact not in followed.ended}
                followed.ended |= {fact: now for fact, now in found.items() if now.progress.is_end}

    async def follow(
        self,
        chain_id: int,
        reader: EventReader,
        watcher: Watcher,
        emit: Callable[[VaultFact], Awaitable[None]],
    ) -> None:
        """Look for the events of one chain for ever, one at a time; `emit` gets each that is final and proven."""
        self._watchers[chain_id] = watcher
        while True:
            for followed in tuple(self._open(chain_id)):
                if _is_due(followed, watcher):
                    await self._look(followed, reader, watcher, emit)
            with trio.move_on_after(LOOK_SECONDS):
                await self._submitted.wait()
                self._submitted = trio.Event()

    async def _look(
        self,
        followed: _Followed,
        reader: EventReader,
        watcher: Watcher,
        emit: Callable[[VaultFact], Awaitable[None]],
    ) -> None:
        try:
            if watcher.status.halt is not None:
                raise RemoteFault(BridgeCode.CHAIN_HALTED, "submission", why=watcher.status.halt.reason)
            if not followed.facts:
                followed.facts = await _read(reader, followed.event)
                followed.event = replace(followed.event, proof=None)
                followed.pause, followed.fault = LOOK_SECONDS, None
            if not _is_scanned(followed, watcher):
                return
            for fact in followed.facts:
                await reader.check_final(fact, watcher.cursor)
        except RemoteFault as fault:
            _note_fault(followed, fault)
            return
        followed.is_proven, followed.fault = True, None
        for fact in followed.facts:
            await emit(fact)

    def _open(self, chain_id: int) -> Iterator[_Followed]:
        return (each for (chain, _), each in self._followed.items() if chain == chain_id and each.is_open)

    def _progress(self, followed: _Followed, fact: VaultFact, state: State) -> EventProgress:
        if followed.is_proven:
            return followed.ended.get(fact) or progress_in_state(state, fact)
        watcher = self._watchers.get(fact.chain_id)
        is_final = watcher is not None and fact.block_number <= watcher.status.final_number
        return EventProgress(Progress.FINAL if is_final else Progress.SEEN)


async def _read(reader: EventReader, event: CollateralEvent) -> tuple[VaultFact, ...]:
    if event.proof is not None:
        return (await reader.of_proof(event.proof),)
    return await reader.of_transaction(event.reference)


def _is_due(followed: _Followed, watcher: Watcher) -> bool:
    ready = _is_scanned(followed, watcher) if followed.facts else True
    return ready and trio.current_time() >= followed.look_at


def _is_scanned(followed: _Followed, watcher: Watcher) -> bool:
    cursor = watcher.cursor
    return cursor is not None and all(fact.block_number <= cursor.number for fact in followed.facts)


def _note_fault(followed: _Followed, fault: RemoteFault) -> None:
    """Refuse a submission that can never become good; look for any other again later."""
    followed.fault = fault
    is_replaced = bool(followed.facts) and fault.code is BridgeCode.UNTRUSTED_BLOCK
    is_late = not followed.facts and trio.current_time() - followed.since > PATIENCE_SECONDS
    if fault.code in REFUSING or is_late or (is_replaced and followed.by_proof):
        followed.is_refused, followed.event = True, replace(followed.event, proof=None)
        log.info("submitted event refused", chain_id=followed.event.chain_id, fault=str(fault))
        return
    if is_replaced:
        # The transaction may be in another block now.
        followed.facts = ()
    followed.look_at = trio.current_time() + followed.pause
    followed.pause = min(2 * followed.pause, LOOK_SECONDS_MAX)


def _as_a_whole(steps: list[Progress]) -> Progress:
    """The earliest step of the events that go on; else refused where one was."""
    order = list(Progress)
    going_on = [step for step in steps if not step.is_end]
    return min(going_on, key=order.index) if going_on else max(steps, key=order.index)


def _rejected(fault: RemoteFault | None) -> Rejected | None:
    return Rejected(fault.code, fault.at, tuple(fault.values.items())) if fault is not None else None
