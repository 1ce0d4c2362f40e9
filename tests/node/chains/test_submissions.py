"""A submitted event is followed to its end, once, whatever its chain, its submitter or a reorg do meanwhile."""

from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock as Clock

from bridge.codes import BridgeCode
from bridge.evm.events import SubmittedEvent
from clearing.base.errors import RemoteFault
from clearing.schema.codes import ClearingCode
from clearing.schema.facts import DepositSeen, VaultFact
from node.chains import submissions
from node.chains.event_progress import Progress, progress_in_state
from node.chains.submissions import WAITING_MAX, WAITING_OF_ONE_MAX, CollateralEvent, Submission, Submissions
from tests.kit.clearing.genesis import ALICE, DOLLAR, USDC_1, VAULTS
from tests.kit.clearing.strays import WAIT, tight
from tests.kit.clearing.world import World, funded

TRANSACTION, OTHER = b"\x01" * 32, b"\x02" * 32
PROOF = SubmittedEvent(1, b"\x05" * 32, 0, 0, (b"node",))
HALT = SimpleNamespace(code=622, reason="R0622 a final block was replaced")


def by_transaction(number: int = 1, submitter: str = "bridge", chain_id: int = 1) -> CollateralEvent:
    return CollateralEvent(chain_id, number.to_bytes(32, "big"), submitter)


class FakeChain:
    """A reader and a watcher of one chain: what transactions made, which blocks are final, scanned and replaced."""

    def __init__(self) -> None:
        self.events: dict[bytes, tuple[VaultFact, ...]] = {}
        self.proven: VaultFact | None = None
        self.fault: RemoteFault | None = None
        self.replaced: set[bytes] = set()
        self.asked = 0
        self.cursor = SimpleNamespace(number=0)
        self.status = SimpleNamespace(final_number=0, halt=None)
        self.emitted: list[VaultFact] = []

    def finalise(self, number: int, scanned: int | None = None) -> None:
        self.status.final_number = number
        self.cursor.number = number if scanned is None else scanned

    async def of_transaction(self, transaction: bytes) -> tuple[VaultFact, ...]:
        self.asked += 1
        if self.fault is not None:
            raise self.fault
        if transaction not in self.events:
            raise RemoteFault(BridgeCode.SUBMISSION_NOT_FOUND, "transaction")
        return self.events[transaction]

    async def of_proof(self, _: SubmittedEvent) -> VaultFact:
        self.asked += 1
        if self.fault is not None or self.proven is None:
            raise self.fault or RemoteFault(BridgeCode.UNTRUSTED_BLOCK, "block")
        return self.proven

    async def check_final(self, fact: VaultFact, _: object) -> None:
        if fact.block_hash in self.replaced:
            raise RemoteFault(BridgeCode.UNTRUSTED_BLOCK, "block")

    async def emit(self, fact: VaultFact) -> None:
        self.emitted.append(fact)


class Scene(SimpleNamespace):
    """Submissions that follow a fake chain, beside a ledger."""

    book: Submissions
    chain: FakeChain
    world: World

    def status(self, reference: bytes = by_transaction().reference) -> Any:
        return self.book.status(1, reference, self.world.state)

    @property
    def progress(self) -> Progress:
        return self.status().progress

    def deposit(self, account: int = ALICE, block: int = 10) -> DepositSeen:
        fact = self.world.deposit_fact(account, USDC_1, DOLLAR)
        return msgspec.structs.replace(fact, block_number=block, block_hash=b"\x0a" * 32)

    def decide(self, *facts: Any, validators: Any = None) -> None:
        self.world.block(facts=list(facts))
        self.book.settle(self.world.state)


async def look() -> None:
    """Long enough for one look at everything that is due."""
    await trio.sleep(submissions.LOOK_SECONDS_MAX)


@pytest.fixture
async def scene(nursery: trio.Nursery) -> AsyncIterator[Scene]:
    made = Scene(book=Submissions(), chain=FakeChain(), world=funded())
    nursery.start_soon(made.book.follow, 1, made.chain, made.chain, made.chain.emit)
    yield made
    nursery.cancel_scope.cancel()


async def test_each_step_from_the_transaction_to_the_credit_is_shown(scene: Scene, autojump_clock: Clock) -> None:
    event, fact = by_transaction(), scene.deposit()
    assert scene.book.submit(event) is Submission.ACCEPTED
    await look()
    assert scene.progress is Progress.SUBMITTED
    assert scene.status().problem.code is BridgeCode.SUBMISSION_NOT_FOUND
    scene.chain.events[event.reference] = (fact,)
    await look()
    assert scene.progress is Progress.SEEN
    scene.chain.finalise(10, scanned=9)
    await look()
    assert scene.progress is Progress.FINAL
    scene.chain.finalise(10)
    await look()
    assert (scene.progress, scene.chain.emitted) == (Progress.PROVEN, [fact])
    scene.decide(fact)
    assert scene.progress is Progress.CREDITED
    assert scene.status().problem is None


async def test_one_that_waits_for_the_deposit_before_it_is_attested(scene: Scene, autojump_clock: Clock) -> None:
    event, first, second = by_transaction(), scene.deposit(), scene.deposit()
    scene.chain.events[event.reference] = (second,)
    scene.chain.finalise(10)
    scene.book.submit(event)
    await look()
    scene.decide(second)
    assert scene.progress is Progress.ATTESTED
    scene.decide(first)
    assert scene.progress is Progress.CREDITED


async def test_a_deposit_that_nobody_gets_says_why_and_what_can_be_done(scene: Scene, autojump_clock: Clock) -> None:
    above_cap = msgspec.structs.replace(scene.deposit(), amount=(10**30).to_bytes(32, "big"))
    for event, fact, code in (
        (by_transaction(1), above_cap, ClearingCode.DEPOSIT_ABOVE_CAP),
        (by_transaction(2), scene.deposit(account=77), ClearingCode.DEPOSIT_TO_UNKNOWN_ACCOUNT),
    ):
        scene.chain.events[event.reference] = (fact,)
        scene.chain.finalise(10)
        scene.book.submit(event)
        await look()
        scene.decide(fact)
        ((_, at),) = scene.status(event.reference).events
        assert (at.progress, at.problem.code) == (Progress.REFUSED, code)
        assert scene.status(event.reference).progress is Progress.REFUSED


def test_a_stray_that_may_still_be_credited_is_attested_and_says_why() -> None:
    world = tight()
    fact = world.deposit_fact(77, USDC_1, DOLLAR)
    world.block(facts=[fact])
    for progress in (Progress.ATTESTED, Progress.REFUSED):
        found = progress_in_state(world.state, fact)
        assert found.problem is not None
        assert (found.progress, found.problem.code) == (progress, ClearingCode.DEPOSIT_TO_UNKNOWN_ACCOUNT)
        for _ in range(WAIT):
            world.block()


async def test_what_one_transaction_made_is_as_far_as_its_slowest_event(scene: Scene, autojump_clock: Clock) -> None:
    event, first, second = by_transaction(), scene.deposit(), scene.deposit()
    scene.chain.events[event.reference] = (first, second)
    scene.chain.finalise(10)
    scene.book.submit(event)
    await look()
    scene.decide(first)
    assert [at.progress for _, at in scene.status().events] == [Progress.CREDITED, Progress.PROVEN]
    assert scene.progress is Progress.PROVEN


async def test_submitting_again_asks_the_chain_no_more_often(scene: Scene, autojump_clock: Clock) -> None:
    event = by_transaction()
    scene.chain.events[event.reference] = (scene.deposit(),)
    outcomes = [scene.book.submit(event) for _ in range(3)]
    assert outcomes == [Submission.ACCEPTED, Submission.KNOWN, Submission.KNOWN]
    scene.chain.finalise(10)
    await look()
    assert (scene.chain.asked, len(scene.chain.emitted)) == (1, 1)
    assert scene.book.submit(event) is Submission.KNOWN


async def test_what_can_never_become_good_is_refused_and_may_be_submitted_again(
    scene: Scene, autojump_clock: Clock
) -> None:
    event = CollateralEvent(1, OTHER, "bridge", PROOF)
    scene.chain.fault = RemoteFault(BridgeCode.BAD_TRIE_PROOF, "node")
    scene.book.submit(event)
    await look()
    reported = scene.status(OTHER)
    assert (reported.progress, reported.problem.code) == (Progress.REFUSED, BridgeCode.BAD_TRIE_PROOF)
    await look()
    assert scene.chain.asked == 1
    scene.chain.fault, scene.chain.proven = None, scene.deposit()
    assert scene.book.submit(event) is Submission.ACCEPTED
    await look()
    assert scene.status(OTHER).progress is Progress.SEEN


async def test_endpoints_that_fail_refuse_nothing(scene: Scene, autojump_clock: Clock) -> None:
    scene.chain.fault = RemoteFault(BridgeCode.ENDPOINT_QUORUM_LOST, "eth_getTransactionReceipt")
    scene.book.submit(by_transaction())
    await look()
    assert (scene.progress, scene.status().problem.code) == (Progress.SUBMITTED, BridgeCode.ENDPOINT_QUORUM_LOST)
    scene.chain.fault, scene.chain.events[by_transaction().reference] = None, (scene.deposit(),)
    await look()
    assert (scene.progress, scene.status().problem) == (Progress.SEEN, None)


async def test_one_that_nobody_ever_mined_is_refused_at_last(scene: Scene, autojump_clock: Clock) -> None:
    scene.book.submit(by_transaction())
    await trio.sleep(submissions.PATIENCE_SECONDS + 2 * submissions.LOOK_SECONDS_MAX)
    assert scene.progress is Progress.REFUSED
    assert scene.status().problem.code is BridgeCode.SUBMISSION_NOT_FOUND
    assert scene.chain.asked < 100


async def test_a_reorganisation_moves_a_transaction_and_ends_a_proof(scene: Scene, autojump_clock: Clock) -> None:
    orphan = scene.deposit()
    moved = msgspec.structs.replace(orphan, block_number=12, block_hash=b"\x0c" * 32)
    scene.chain.events[by_transaction().reference], scene.chain.proven = (orphan,), orphan
    scene.book.submit(by_transaction())
    scene.book.submit(CollateralEvent(1, OTHER, "bridge", PROOF))
    await look()
    scene.chain.replaced.add(orphan.block_hash)
    scene.chain.events[by_transaction().reference] = (moved,)
    scene.chain.finalise(11)
    await look()
    assert scene.status(OTHER).progress is Progress.REFUSED
    assert (scene.progress, scene.chain.emitted) == (Progress.SEEN, [])
    scene.chain.finalise(12)
    await look()
    assert (scene.progress, scene.chain.emitted) == (Progress.PROVEN, [moved])


async def test_a_halted_chain_proves_nothing_and_says_so(scene: Scene, autojump_clock: Clock) -> None:
    scene.chain.events[by_transaction().reference] = (scene.deposit(),)
    scene.chain.finalise(10)
    scene.chain.status.halt = HALT
    scene.book.submit(by_transaction())
    await look()
    assert scene.chain.emitted == []
    assert scene.status().problem.code is BridgeCode.CHAIN_HALTED


async def test_nobody_takes_the_room_of_all(scene: Scene, autojump_clock: Clock) -> None:
    numbers = iter(range(1, 10_000))

    def submit_until_refused(submitter: str) -> int:
        taken = 0
        while scene.book.submit(by_transaction(next(numbers), submitter)) is Submission.ACCEPTED:
            taken += 1
        return taken

    taken = [submit_until_refused(f"bridge {number}") for number in range(5)]
    assert taken == [WAITING_OF_ONE_MAX] * 4 + [WAITING_MAX - 4 * WAITING_OF_ONE_MAX]
    assert scene.book.submit(by_transaction(1, "bridge 4")) is Submission.KNOWN
    assert scene.book.submit(by_transaction(1, "bridge 4", chain_id=2)) is Submission.ACCEPTED


async def test_what_is_remembered_is_bounded(
    scene: Scene, autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submissions, "REMEMBERED_MAX", 8)
    scene.chain.finalise(10)
    for number in range(1, 21):
        scene.chain.events[by_transaction(number).reference] = (scene.deposit(),)
        scene.book.submit(by_transaction(number))
        await look()
    known = [number for number in range(1, 21) if scene.status(by_transaction(number).reference) is not None]
    assert known == list(range(13, 21))
    assert len(scene.chain.emitted) == 20


async def test_a_detached_vault_credits_nothing(
    scene: Scene, autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.chain.events[by_transaction().reference] = (scene.deposit(),)
    scene.chain.finalise(10)
    scene.book.submit(by_transaction())
    await look()
    detached: Callable[..., bool] = lambda state, chain_id, vault: (chain_id, vault) == (1, VAULTS[1])  # noqa: E731
    monkeypatch.setattr("node.chains.event_progress.is_detached", detached)
    assert scene.progress is Progress.REFUSED
    assert scene.status().events[0][1].problem.code is BridgeCode.VAULT_DETACHED
