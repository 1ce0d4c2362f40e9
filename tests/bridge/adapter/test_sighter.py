"""Ahead of finality, on a real chain that changes its mind: what is sighted, and what the ledger makes of it."""

from dataclasses import replace

import pytest

from bridge.watch.watcher import Watcher
from bridge.watched_chain import FinalityPolicy
from clearing.base.codec import u256
from clearing.schema.facts import DepositSighted
from clearing.schema.receipts.collateral import SoftCreditLent, SoftCreditRecalled, SoftCreditRepaid
from clearing.state.ledger import soft_credit_of
from node.chains.attestation_pool import AttestationPool
from tests.kit.bridge.forged_chain import ForgedChain
from tests.kit.bridge.watched_chain import CHAIN_ID, TOKEN
from tests.kit.clearing.genesis import ALICE, BOB, CAROL, DOLLAR, HOUSE, USD, USDC_1
from tests.kit.clearing.vaults import SOFT, genesis_with, on_real_chain, vault_world
from tests.kit.clearing.world import World, of_kind
from tests.kit.until import patiently

pytestmark = pytest.mark.chain


class Lookout:
    """A watcher with soft credit on, its pool, and the last view."""

    def __init__(self, chain, endpoint, watch) -> None:
        chain.mine(6)
        profile = replace(chain.profile, sight_depth=1)
        self.below = watch(profile, endpoint)
        self.pool = AttestationPool(b"\x01" * 32)
        self.view: tuple[DepositSighted, ...] = ()

        async def emit(fact):
            self.below.facts.append(fact)
            self.pool.add(fact)

        self.watcher = Watcher(profile, self.below.quorum, self.below.store, emit, publish_pending=self.sight)

    def sight(self, view) -> None:
        self.view = view
        self.pool.sight(CHAIN_ID, view)

    async def look(self) -> tuple[int, ...]:
        while await self.watcher.step():
            pass
        await self.watcher.read_pending_deposits()
        return tuple(fact.nonce for fact in self.view)


async def test_a_deposit_is_sighted_a_block_under_the_head_and_no_more_once_it_is_final(chain, endpoint, watch):
    lookout = Lookout(chain, endpoint, watch)
    assert await lookout.look() == ()
    receipt = chain.deposited(1, account=7, amount=12345)
    assert await lookout.look() == (), "it stands at the head"
    chain.mine()
    assert await lookout.look() == (1,)
    (fact,) = lookout.view
    assert (fact.account, fact.amount, fact.block_number) == (7, u256(12345), int(receipt["blockNumber"], 16))
    chain.deposited(2)
    chain.deposited(3)
    chain.mine()
    assert (await lookout.look())[-2:] == (2, 3)
    while chain.final < fact.block_number:
        chain.mine()
    assert 1 not in await lookout.look()
    assert lookout.below.nonces[0] == 1
    final = lookout.below.deposits[0]
    assert (final.source, final.amount) == (fact.source, fact.amount)


async def test_what_the_chain_undid_is_sighted_no_more_and_what_took_its_place_is(chain, endpoint, watch):
    lookout = Lookout(chain, endpoint, watch)
    chain.deposited(1, amount=5)
    chain.mine()
    await lookout.look()
    first = lookout.view[0]
    chain.rpc("anvil_reorg", 2, [])
    assert await lookout.look() == ()
    chain.deposited(1, amount=6)
    chain.mine()
    assert await lookout.look() == (1,)
    assert lookout.view[0].amount == u256(6)
    assert lookout.view[0].block_hash != first.block_hash
    assert lookout.watcher.status.halt is None


async def test_a_deposit_that_does_not_continue_the_final_ones_is_not_sighted(chain, endpoint, watch):
    lookout = Lookout(chain, endpoint, watch)
    chain.deposited(1)
    chain.deposited(3)
    chain.mine()
    assert await lookout.look() == (1,)


async def test_without_terms_nobody_looks_ahead(chain, endpoint, watch):
    chain.mine(6)
    seen: list[object] = []
    w = watch(chain.profile, endpoint)
    watcher = Watcher(chain.profile, w.quorum, w.store, w.watcher._emit, publish_pending=seen.append)
    chain.deposited(1)
    chain.mine(2)
    await watcher.step()
    await watcher.read_pending_deposits()
    assert seen == []


def ledger(vault: bytes) -> World:
    """The small network, with the real chain in the place of its second one."""
    world = vault_world(on_real_chain(genesis_with(soft=SOFT, soft_ppm=1_000_000), CHAIN_ID, vault, TOKEN))
    world.heads = {1: 100}
    world.block()
    for account in (HOUSE, ALICE, BOB, CAROL):
        world.deposit(account, USDC_1, 20_000 * DOLLAR)
    return world


async def test_a_loan_on_sight_is_repaid_at_finality_and_recalled_after_a_reorg(chain, endpoint, watch):
    lookout, world = Lookout(chain, endpoint, watch), ledger(chain.profile.vault)

    async def block():
        await lookout.look()
        return world.block(facts=lookout.pool.pending(world.state))

    chain.deposited(1, account=ALICE, amount=3_000 * DOLLAR)
    chain.mine()
    (loan,) = of_kind(await block(), SoftCreditLent)
    assert (loan.account, loan.micros) == (ALICE, 3_000 * DOLLAR)
    assert world.cash(ALICE) == 23_000 * DOLLAR
    assert not of_kind(await block(), SoftCreditLent)
    for _ in patiently("the loan is never repaid"):
        chain.mine()
        if of_kind(await block(), SoftCreditRepaid):
            break
    assert (world.cash(ALICE), soft_credit_of(world.state, HOUSE, USD)) == (23_000 * DOLLAR, 0)
    assert lookout.pool.pending(world.state) == ()

    chain.deposited(2, account=BOB, amount=5_000 * DOLLAR)
    chain.mine()
    assert of_kind(await block(), SoftCreditLent)[0].account == BOB
    chain.rpc("anvil_reorg", 2, [])
    recalled = []
    for _ in range(60):
        chain.mine()
        recalled += of_kind(await block(), SoftCreditRecalled)
    (undone,) = recalled
    assert (undone.account, undone.nonce, undone.micros) == (BOB, 2, 5_000 * DOLLAR)
    assert world.cash(BOB) == 20_000 * DOLLAR
    assert soft_credit_of(world.state, HOUSE, USD) == 0
    assert world.cash(HOUSE) == 20_000 * DOLLAR


async def test_two_of_three_that_forge_a_block_sight_nothing_while_the_third_disputes_it(chain, liar, watch):
    chain.mine(6)
    profile = replace(chain.profile, sight_depth=1, finality=FinalityPolicy(quorum=2))
    sources = [liar(), liar(), liar()]
    below = watch(profile, *sources)
    views: list[tuple[DepositSighted, ...]] = []
    watcher = Watcher(profile, below.quorum, below.store, below.watcher._emit, publish_pending=views.append)
    while await watcher.step():
        pass
    number = int(chain.deposited(1, amount=1_000)["blockNumber"], 16)
    chain.mine()
    sources[0].alter = sources[1].alter = ForgedChain(chain, number, amount=5_000_000)
    await watcher.read_pending_deposits()
    assert views == [()]
    sources[0].alter = sources[1].alter = lambda call, result: result
    await watcher.read_pending_deposits()
    assert [fact.amount for fact in views[-1]] == [u256(1_000)]
