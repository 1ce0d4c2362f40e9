"""Withdrawals that a real vault did not pay, on a real chain: reported when final, of the first block after.

Attacks: paid in the last second, a chain that changes its mind, lying endpoints, and both facts claimed.
"""

from dataclasses import replace

import msgspec
import pytest
import trio

from bridge.codes import BridgeCode
from bridge.contracts.conflicts import freeze_call
from bridge.contracts.vault import DEADLINE, IS_PAID, VaultClaim, claim_argument
from bridge.rpc.endpoint import Endpoint
from bridge.rpc.quorum import EndpointQuorum
from bridge.watch.expired_withdrawals import (
    AT_ONCE,
    HEADERS_PER_VIEW,
    ExpiredWithdrawal,
    ExpiredWithdrawalQuery,
    ExpiredWithdrawalReader,
)
from bridge.watch.watcher import Watcher
from bridge.watched_chain import FinalityPolicy
from clearing.base.codec import u256
from clearing.base.errors import RemoteFault
from clearing.schema.facts import WithdrawalExecuted, WithdrawalNotExecuted
from clearing.schema.receipts.withdrawals import WithdrawalRefunded
from clearing.withdrawals.refunds import expired_withdrawals
from node.chains.attestation_pool import AttestationPool
from tests.kit.bridge.certified import certify, released
from tests.kit.bridge.vault_chain import FOUR, UNIT, Refused, VaultChain, make_header
from tests.kit.bridge.watched_chain import Chain, Liar, calls_answered
from tests.kit.clearing.gated import gated_genesis
from tests.kit.clearing.genesis import ALICE, BTC, ETH, USDC_1
from tests.kit.clearing.world import World, of_kind
from tests.kit.refusals import refused
from tests.kit.until import patiently

pytestmark = pytest.mark.chain
CHAIN_ID = 31337
TO = b"\x33" * 20
AMOUNT = 7 * UNIT
LIES = {name: "0x" + u256(word).hex() for word, name in enumerate(("unpaid", "paid", "nonsense"))}


class Scene(Chain):
    """A vault with a deposit, and one withdrawal in its newest tree that ends `valid` seconds after now."""

    def __init__(self, anvil, valid: int = 100) -> None:
        self.made = VaultChain(anvil(), FOUR)
        super().__init__(self.made.chain)
        self.made.deposit(100 * UNIT)
        self.not_after = self.made.now() + valid
        self.withdrawal, leaf = released(self.made, 0, to=TO, amount=AMOUNT, not_after_s=self.not_after)
        self.tree = certify(self.made, [leaf])
        self.profile = self.made.watched()

    def pay(self):
        return self.made.withdraw(self.withdrawal, self.tree.proof(0))

    def next_block_at(self, second: int) -> None:
        self.rpc("evm_setNextBlockTimestamp", hex(second))

    def pass_time(self, seconds: int = 1_000) -> int:
        """One block so much later; its number."""
        self.next_block_at(self.made.now() + seconds)
        self.mine()
        return self.head

    def finalise(self, number: int | None = None) -> None:
        wanted = number if number is not None else self.head
        while self.final < wanted:
            self.mine()

    def final_after_its_time(self) -> int:
        """The first block after the withdrawal's time, which is final."""
        number = self.pass_time()
        self.finalise(number)
        return number

    def block(self, number: int) -> dict:
        return self.rpc("eth_getBlockByNumber", hex(number), *[False])


class Lookout:
    """A watcher that looks back at what it is told, its pool, and the last view."""

    def __init__(self, scene: Scene, endpoints, watch, expired=None, quorum: int = 1) -> None:
        profile = replace(scene.profile, finality=FinalityPolicy(quorum=quorum))
        self.below = watch(profile, *endpoints)
        self.expired = expired or (lambda: [ExpiredWithdrawal(0, scene.not_after)])
        self.pool = AttestationPool(b"\x01" * 32)
        self.view: tuple[WithdrawalNotExecuted, ...] = ()
        self.watcher = Watcher(
            profile,
            self.below.quorum,
            self.below.store,
            self.emit,
            expired_withdrawals=ExpiredWithdrawalQuery(lambda: self.expired(), self.tell),
        )

    async def emit(self, fact) -> None:
        self.below.facts.append(fact)
        self.pool.add(fact)

    def tell(self, view) -> None:
        self.view = view
        self.pool.miss(CHAIN_ID, view)

    async def look(self) -> list[int]:
        while await self.watcher.step():
            pass
        for _ in patiently("the view never gets complete"):
            await self.watcher.read_expired_withdrawals()
            if self.watcher._last_expired is not None or self.watcher.status.halt is not None:
                break
        return [fact.nonce for fact in self.view]


async def wait(function, *arguments):
    return await trio.to_thread.run_sync(function, *arguments)


@pytest.fixture
async def scene(anvil):
    return await wait(Scene, anvil)


@pytest.fixture
async def endpoint(scene):
    async with Endpoint(scene.url) as endpoint:
        yield endpoint


@pytest.fixture
def lookout(scene, endpoint, watch):
    return Lookout(scene, [endpoint], watch)


async def test_it_is_told_once_the_first_block_after_its_time_is_final_and_not_before(scene, lookout):
    scene.finalise()
    assert await lookout.look() == [], "its time is not over on the chain"
    first = scene.pass_time()
    assert await lookout.look() == [], "the block is not final"
    scene.finalise(first)
    assert await lookout.look() == [0]
    (fact,) = lookout.view
    assert (fact.vault, fact.not_after_s) == (scene.made.vault_at.address, scene.not_after)
    block = scene.block(first)
    assert (fact.block_number, fact.block_hash.hex()) == (first, block["hash"][2:])
    assert fact.block_time_s == int(block["timestamp"], 16) > scene.not_after
    scene.mine(20)
    assert await lookout.look() == [0]
    assert lookout.view == (fact,), "of the same block, whenever one looks"
    with pytest.raises(Refused, match="Expired"):
        await wait(scene.pay)


async def test_whoever_looks_late_tells_of_the_same_block(scene, lookout):
    scene.mine(37)
    first = scene.pass_time()
    scene.mine(60)
    scene.pass_time()
    scene.mine(300)
    assert await lookout.look() == [0]
    assert lookout.view[0].block_number == first


@pytest.mark.parametrize("second", [0, 1])
async def test_a_block_in_the_last_second_is_too_early(scene, lookout, second):
    scene.next_block_at(scene.not_after + second)
    scene.mine()
    edge = scene.head
    scene.rpc("anvil_setBlockTimestampInterval", 1)
    while scene.final < edge:
        assert await lookout.look() == []
        scene.mine()
    assert await lookout.look() == [0] * second, "a block of the very second is not after it"
    scene.finalise(edge + 1)
    assert await lookout.look() == [0]
    assert lookout.view[0].block_number == edge + 1 - second
    assert lookout.view[0].block_time_s == scene.not_after + 1


async def test_during_a_pause_nothing_is_told_and_after_it_the_time_that_was_left(scene, lookout):
    """Paid or reported as unpaid, never both: the vault pays to the last second, and it is reported only after that."""
    scene.next_block_at(scene.not_after - 10)
    await wait(scene.made.guard)
    end = scene.made.view("pausedUntil")
    scene.next_block_at(end - 1)
    scene.mine()
    scene.finalise()
    assert await lookout.look() == [], "its not-after has passed, its time has not"
    scene.next_block_at(end + 9)
    scene.mine()
    assert await lookout.look() == []
    scene.next_block_at(end + 10)
    await wait(scene.pay)
    assert await wait(scene.made.view, "isPaid", 0)
    scene.pass_time()
    scene.finalise()
    assert await lookout.look() == []
    assert [fact.nonce for fact in lookout.below.withdrawals] == [0]


async def test_what_was_not_paid_after_a_pause_either_is_told_once_its_longer_time_is_over(scene, lookout):
    scene.next_block_at(scene.not_after - 10)
    await wait(scene.made.guard)
    deadline = scene.made.view("pausedUntil") + 10
    scene.next_block_at(deadline)
    scene.mine()
    scene.next_block_at(deadline + 1)
    scene.mine()
    first = scene.head
    scene.finalise()
    assert await lookout.look() == [0]
    (fact,) = lookout.view
    assert (fact.not_after_s, fact.block_number, fact.block_time_s) == (scene.not_after, first, deadline + 1)
    with pytest.raises(Refused, match="Expired"):
        await wait(scene.pay)


async def test_a_frozen_vault_is_waited_for(scene, lookout):
    """Its way out decides whether it pays: until then nobody can say that it will not."""
    one, two = (make_header(FOUR, 8, payload_root=bytes([n]) * 32) for n in (1, 2))
    shown = [(header, FOUR.certify(header, (0, 1, 2))) for header in (one, two)]
    await wait(scene.made.call, freeze_call(*shown))
    scene.pass_time(86_400 * 30)
    scene.finalise()
    assert await lookout.look() == []


async def test_paid_in_the_last_second_it_is_executed_and_never_the_other(scene, lookout):
    scene.next_block_at(scene.not_after)
    receipt = await wait(scene.pay)
    assert int(scene.block(receipt["blockNumber"])["timestamp"], 16) == scene.not_after
    scene.pass_time()
    while await lookout.watcher.step():
        await lookout.watcher.read_expired_withdrawals()
        assert lookout.view == ()
    scene.finalise(scene.head)
    assert await lookout.look() == []
    assert [fact.nonce for fact in lookout.below.withdrawals] == [0]


async def test_a_chain_that_changes_its_mind_before_finality_decides_which_of_the_two_is_told(scene, lookout):
    """Unpaid in one branch, paid in the last second in the branch that stays."""
    scene.mine(8)
    assert await lookout.look() == []
    base = scene.head
    scene.next_block_at(scene.not_after + 5)
    scene.mine(2)
    assert await lookout.look() == []
    scene.rpc("anvil_rollback", scene.head - base)
    assert scene.head == base
    scene.next_block_at(scene.not_after)
    await wait(scene.pay)
    scene.pass_time()
    scene.finalise()
    assert await lookout.look() == []
    assert [fact.nonce for fact in lookout.below.withdrawals] == [0]
    assert lookout.watcher.status.halt is None


async def test_a_payment_that_the_chain_undid_is_no_payment(scene, lookout):
    scene.mine(8)
    base = scene.head
    await wait(scene.pay)
    assert await wait(scene.made.view, "isPaid", 0)
    scene.rpc("anvil_rollback", scene.head - base)
    assert not await wait(scene.made.view, "isPaid", 0)
    scene.final_after_its_time()
    assert await lookout.look() == [0]
    assert lookout.below.withdrawals == []


async def test_after_a_reorg_under_the_cursor_nothing_more_is_told(scene, endpoint, watch):
    first = scene.final_after_its_time()
    expired: list[ExpiredWithdrawal] = []
    lookout = Lookout(scene, [endpoint], watch, expired=lambda: expired)
    assert await lookout.look() == []
    depth = scene.head - first + 2
    scene.rpc("anvil_reorg", depth, [])
    scene.mine()
    expired.append(ExpiredWithdrawal(0, scene.not_after))
    assert await lookout.look() == []
    assert lookout.watcher.status.halt.code == BridgeCode.FINALITY_VIOLATION


@pytest.mark.parametrize("lie", ["paid", "unpaid", "nonsense"])
@pytest.mark.parametrize("is_paid", [False, True])
async def test_one_liar_of_three_at_most_delays_a_refund_and_two_never_make_one(scene, endpoint, watch, lie, is_paid):
    if is_paid:
        await wait(scene.pay)
    scene.final_after_its_time()
    cursor = Lookout(scene, [endpoint], watch)
    await cursor.look()
    truth = [] if is_paid else [0]
    expired = [ExpiredWithdrawal(0, scene.not_after)]

    def lying(*lies):
        liars = [Liar(endpoint, calls_answered(LIES[name], IS_PAID)) for name in lies]
        quorum = EndpointQuorum(liars + [Liar(endpoint)] * (3 - len(liars)), 2)
        return ExpiredWithdrawalReader(scene.profile, quorum).view(cursor.watcher._cursor, expired)

    if lie in ("nonsense", "paid" if is_paid else "unpaid"):
        assert [fact.nonce for fact in (await lying(lie)).unpaid] == truth
    else:
        with refused(BridgeCode.ENDPOINTS_DISAGREE):
            await lying(lie)
        with refused(BridgeCode.ENDPOINTS_DISAGREE):
            await lying(lie, lie)
    with pytest.raises(RemoteFault):
        await lying("paid", "unpaid", "nonsense")


@pytest.mark.parametrize("deadline", ["earlier", "later", "none"])
async def test_one_liar_about_a_deadline_makes_no_refund_too_early(scene, endpoint, watch, deadline):
    """Two say that a pause gave it more time, one that it gave none, or the reverse."""
    scene.next_block_at(scene.not_after - 10)
    await wait(scene.made.guard)
    scene.pass_time()
    scene.finalise()
    cursor = Lookout(scene, [endpoint], watch)
    await cursor.look()
    lies = {"earlier": scene.not_after, "later": 2**255, "none": 0}
    liar = Liar(endpoint, calls_answered("0x" + u256(lies[deadline]).hex(), DEADLINE))
    quorum = EndpointQuorum([liar, Liar(endpoint), Liar(endpoint)], 2)
    reader = ExpiredWithdrawalReader(scene.profile, quorum)
    with refused(BridgeCode.ENDPOINTS_DISAGREE):
        await reader.view(cursor.watcher._cursor, [ExpiredWithdrawal(0, scene.not_after)])


async def test_a_withdrawal_of_which_the_vault_never_heard_was_not_paid_either(scene, endpoint, watch):
    """The network released it and nobody brought the checkpoint: it is as unpaid as any other."""
    first = scene.final_after_its_time()
    asked = [
        ExpiredWithdrawal(0, scene.not_after),
        ExpiredWithdrawal(512, scene.not_after),
        ExpiredWithdrawal(2**40, scene.not_after - 7),
    ]
    lookout = Lookout(scene, [endpoint], watch, expired=lambda: asked)
    assert await lookout.look() == [0, 512, 2**40]
    assert {fact.block_number for fact in lookout.view} == {first}


async def test_a_view_is_bounded_and_the_chain_is_asked_again_only_for_something_new(scene, endpoint, watch):
    scene.final_after_its_time()
    counting = Liar(endpoint)
    many = [ExpiredWithdrawal(nonce, scene.not_after) for nonce in range(AT_ONCE + 9)]
    lookout = Lookout(scene, [counting], watch, expired=lambda: many)
    assert await lookout.look() == list(range(AT_ONCE))
    calls = counting.asked.count("eth_call")
    await lookout.watcher.read_expired_withdrawals()
    assert counting.asked.count("eth_call") == calls
    many.pop(0)
    assert await lookout.look() == list(range(1, AT_ONCE + 1))


async def test_a_long_chain_is_searched_a_little_at_a_time_and_nothing_twice(scene, endpoint, watch):
    ends: list[int] = []
    numbers: list[int] = []
    for _ in range(12):
        ends.append(scene.made.now() + 3)
        numbers.append(await wait(scene.pass_time, 10))
        scene.mine(29)
    scene.mine(9)
    counting = Liar(endpoint)
    expired = [ExpiredWithdrawal(700 + at, end) for at, end in enumerate(ends)]
    lookout = Lookout(scene, [counting], watch, expired=lambda: expired)
    while await lookout.watcher.step():
        pass
    views = 0
    for _ in patiently("the view never gets complete"):
        if lookout.watcher._last_expired is not None:
            break
        before = len(counting.asked)
        await lookout.watcher.read_expired_withdrawals()
        reads = counting.asked[before:].count("eth_getBlockByNumber")
        assert reads <= HEADERS_PER_VIEW + 1
        views += 1
    assert 1 < views < 6
    assert [fact.block_number for fact in lookout.view] == numbers
    fresh = ExpiredWithdrawalReader(scene.profile, lookout.below.quorum)
    for each, number in zip(expired, numbers, strict=True):
        view = await fresh.view(lookout.watcher._cursor, [each])
        assert [fact.block_number for fact in view.unpaid] == [number], "in whatever order they are asked"


def open_and_expired(world: World) -> list[ExpiredWithdrawal]:
    nonces = range(world.state.now.withdrawals_released)
    return [ExpiredWithdrawal(*each) for each in expired_withdrawals(world.state, CHAIN_ID, nonces)]


def ledger(scene: Scene) -> World:
    """The small network with the real chain in the place of its first one, its clock a little behind the chain's."""
    base = gated_genesis(give_back_expired=True)
    change = msgspec.structs.replace
    vault, token = scene.made.vault_at.address, scene.made.token_at.address
    chains = (base.chains[1], change(base.chains[0], chain_id=CHAIN_ID, vault=vault))
    assets = [change(each, chain_id=CHAIN_ID, vault=vault) if each.chain_id == 1 else each for each in base.assets]
    assets[0] = change(assets[0], token=token, token_decimals=8)
    return World(change(base, time_ms=(scene.made.now() - 50) * 1_000, chains=chains, assets=tuple(assets)))


@pytest.mark.parametrize("claimed", [True, False])
async def test_after_a_pause_a_withdrawal_is_paid_or_credited_again_and_never_both(anvil, watch, claimed):
    """The pause outlasts its not-after on both clocks. Then it is claimed in the last second, or not at all."""
    scene = await wait(Scene, anvil)
    async with Endpoint(scene.url) as endpoint:
        world = ledger(scene)
        lookout = Lookout(scene, [endpoint], watch, expired=lambda: open_and_expired(world))

        async def block(*requests, after_ms=1_000):
            await lookout.look()
            facts = lookout.pool.pending(world.state)
            return world.block(*requests, prices=((BTC, 790_000), (ETH, 20_000)), facts=facts, after_ms=after_ms)

        for _ in patiently("the deposit is never credited"):
            scene.mine()
            await block()
            if world.cash(ALICE):
                break
        deposited = world.cash(ALICE)
        await block(world.withdrawal(ALICE, USDC_1, deposited))
        (waiting,) = [each for _, each in world.state.withdrawals.ordered()]
        amount = int.from_bytes(waiting.amount, "big")
        claim = VaultClaim(0, waiting.account, waiting.token, waiting.to, amount, waiting.not_after_s)
        tree = await wait(certify, scene.made, [waiting.leaf], 2)
        scene.next_block_at(waiting.not_after_s - 10)
        await wait(scene.made.guard)
        until = scene.made.view("pausedUntil")
        scene.next_block_at(until - 1)
        scene.mine()
        scene.finalise()
        await block(after_ms=(until - waiting.not_after_s + 100) * 1_000)
        assert [each.nonce for each in lookout.expired()] == [0]
        for _ in range(3):
            assert not of_kind(await block(), WithdrawalRefunded), "it can still be paid"
        scene.next_block_at(until + 10)
        if claimed:
            await wait(scene.made.withdraw, claim_argument(claim), tree.proof(0))
        scene.mine()
        scene.next_block_at(until + 11)
        scene.mine()
        scene.finalise()
        seen = [await block() for _ in range(3)]
        assert [len(of_kind(result, WithdrawalRefunded)) for result in seen] == ([0, 0, 0] if claimed else [1, 0, 0])
        assert await wait(scene.made.view, "isPaid", 0) is claimed
        assert world.cash(ALICE) == (0 if claimed else deposited)
        assert open_and_expired(world) == []
        if not claimed:
            with pytest.raises(Refused, match="Expired"):
                await wait(scene.made.withdraw, claim_argument(claim), tree.proof(0))


async def test_from_the_vault_through_the_pool_into_the_ledger_and_back_to_its_owner(anvil, watch):
    """The ledger releases, the time passes, the vault was never asked: four validators say so, the money is back."""
    scene = await wait(Scene, anvil)
    async with Endpoint(scene.url) as endpoint:
        world = ledger(scene)
        lookout = Lookout(
            scene,
            [endpoint],
            watch,
            expired=lambda: open_and_expired(world),
        )

        async def block(*requests, after_ms=1_000):
            await lookout.look()
            facts = lookout.pool.pending(world.state)
            return world.block(*requests, prices=((BTC, 790_000), (ETH, 20_000)), facts=facts, after_ms=after_ms)

        scene.finalise()
        for _ in patiently("the deposit is never credited"):
            scene.mine()
            await block()
            if world.cash(ALICE):
                break
        deposited = world.cash(ALICE)
        assert deposited == 100 * UNIT // 100
        await block(world.withdrawal(ALICE, USDC_1, deposited))
        (waiting,) = [each for _, each in world.state.withdrawals.ordered()]
        assert world.cash(ALICE) == 0
        for _ in range(3):
            scene.mine(4)
            assert not of_kind(await block(), WithdrawalRefunded)
        await block(after_ms=70_000)
        assert [each.nonce for each in lookout.expired()] == [0]
        for _ in range(3):
            assert not of_kind(await block(), WithdrawalRefunded), "over by our clock, not by the chain's"
        scene.next_block_at(waiting.not_after_s + 1)
        scene.mine()
        scene.finalise(scene.head)
        backs = of_kind(await block(), WithdrawalRefunded)
        assert [(each.number, each.credited) for each in backs] == [(0, ALICE)]
        assert world.cash(ALICE) == deposited
        assert list(expired_withdrawals(world.state, CHAIN_ID, range(world.state.now.withdrawals_released))) == []
        for _ in range(3):
            scene.mine(4)
            assert not of_kind(await block(), WithdrawalRefunded)
        assert lookout.view == ()
        assert not [fact for fact in lookout.below.facts if isinstance(fact, WithdrawalExecuted)]
