"""Random sequences of everything, hostile blocks among them: money and positions are conserved, replicas agree."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearing.base.errors import Bug
from clearing.base.ids import HOUSE_ACCOUNT
from clearing.context.block_context import BlockContext
from clearing.liquidation.takeover import may_liquidate
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.transfers import TransferCode
from clearing.state.holdings import current_holdings
from clearing.state.ledger import Journal
from clearing.state.positions import PositionLedger
from tests.kit.clearing.fuzz import BLOCKS, MEMBERS, Fuzz
from tests.kit.clearing.genesis import (
    ALICE,
    BOB,
    BTC_CALL,
    BTC_FUT,
    BTC_PERP,
    CAROL,
    ETH_PERP,
    USDC_1,
    USDC_2,
    WETH_1,
    make_genesis,
)
from tests.kit.clearing.replay import same_after_restart
from tests.kit.clearing.world import World, executed, funded
from tests.kit.complete import COMPLETE

ACCOUNTS = st.sampled_from((*MEMBERS, 999))
INSTRUMENTS = st.sampled_from((BTC_PERP, BTC_FUT, BTC_CALL, ETH_PERP, 88))
ASSETS = st.sampled_from((USDC_1, USDC_2, WETH_1))
SIZES = st.one_of(st.integers(0, 5_000), st.integers(0, 10**6), st.sampled_from((2**38, 2**39 - 1)))
OPERATION = st.one_of(
    st.tuples(st.just("trade"), ACCOUNTS, ACCOUNTS, INSTRUMENTS, SIZES, st.integers(-20_000, 20_000)),
    st.tuples(st.just("withdraw"), ACCOUNTS, ASSETS, st.integers(0, 10**11)),
    st.tuples(st.just("transfer"), ACCOUNTS, ACCOUNTS, st.integers(0, 10**11)),
    st.tuples(st.just("deposit"), ACCOUNTS, ASSETS, st.integers(0, 10**23)),
    st.tuples(st.just("prices"), st.integers(300_000, 1_300_000), st.integers(5_000, 40_000)),
    st.tuples(st.just("executed"), st.integers(1, 2), st.integers(0, 5)),
    st.tuples(st.just("silence"), st.integers(0, 4_000_000)),
)


class Story:
    """A world in which operations become blocks."""

    def __init__(self) -> None:
        terms = {"trade_fee_ppm": 100, "request_ms_max": 60_000}
        self.world = funded(genesis=make_genesis(terms), dollars=20_000)
        self.btc, self.eth = 790_000, 20_000

    def do(self, operation: tuple[Any, ...]) -> None:
        world = self.world
        kind, *arguments = operation
        if kind == "silence":
            world.block(after_ms=arguments[0])
        elif kind == "prices":
            self.btc, self.eth = arguments
            world.prices(self.btc, self.eth)
        elif kind == "deposit":
            world.prices(self.btc, self.eth, facts=(world.deposit_fact(*arguments),))
        elif kind == "executed":
            world.prices(self.btc, self.eth, facts=(executed(*arguments),))
        else:
            world.block(self.request(kind, arguments), prices=((1, self.btc), (2, self.eth)))

    def request(self, kind: str, arguments: list[int]) -> Transaction:
        if kind == "trade":
            buyer, seller, instrument, lots, off = arguments
            mark = self.world.state.marks.get(instrument)
            return self.world.trade(buyer, seller, instrument, lots, max((mark.ticks if mark else 5) + off, 0))
        if kind == "withdraw":
            return self.world.withdrawal(*arguments)
        return self.world.transfer(*arguments)


def left_short(world: World) -> list[int]:
    """Accounts that could be liquidated now and do not cover maintenance or owe too much."""
    context = BlockContext(world.state, world.blocks[-1])
    limit = world.genesis.risk.cash_limit_micros

    def is_short(account: int) -> bool:
        own = current_holdings(world.state, account)
        fine = world.margin(account).maintenance_ok and all(claim >= -limit for claim in own.cash)
        return not fine and may_liquidate(context, own)

    return [account for account in MEMBERS if account != HOUSE_ACCOUNT and is_short(account)]


@given(st.lists(OPERATION, max_size=25))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_nothing_is_created_or_lost_whatever_is_asked(operations):
    story = Story()
    for operation in operations:
        story.do(operation)  # each block is checked against every invariant
        assert left_short(story.world) == []
    world = story.world
    assert world.restored().module_roots() == world.state.module_roots()
    with same_after_restart(world):
        world.block(world.trade(ALICE, BOB, BTC_PERP, 1, story.btc))


@given(st.lists(st.integers(300_000, 1_300_000), min_size=1, max_size=12), st.integers(1, 20_000))
@settings(max_examples=40, deadline=None)
def test_whatever_prices_do_gains_equal_losses(path, lots):
    story = Story()
    world = story.world
    world.block(
        world.trade(ALICE, BOB, BTC_PERP, lots, 790_000), world.trade(CAROL, BOB, BTC_FUT, lots // 2 + 1, 790_000)
    )
    before = sum(map(world.cash, MEMBERS))
    for price in path:
        story.do(("prices", price, 20_000))
        assert left_short(world) == []
        assert sum(map(world.cash, MEMBERS)) == before
        for account in (ALICE, BOB, CAROL):
            assert world.lots(account, BTC_PERP) == 0 or world.cash(account) >= -world.genesis.risk.cash_limit_micros


def test_a_transfer_without_a_counterpart_is_a_bug(monkeypatch):
    world = World()
    count = Journal._count

    def one_sided(self: Journal, account: int, currency: int, debited: int, credited: int) -> None:
        if account != ALICE:
            count(self, account, currency, debited, credited)

    monkeypatch.setattr(Journal, "_count", one_sided)
    with pytest.raises(Bug, match="drifted"):
        world.pay_in(ALICE, 1)


def test_a_trade_with_one_leg_is_a_bug(monkeypatch):
    world = funded()
    add = PositionLedger.add

    def one_leg(self: PositionLedger, account: int, instrument: int, lots: int) -> None:
        if lots > 0:
            add(self, account, instrument, lots)

    monkeypatch.setattr(PositionLedger, "add", one_leg)
    with pytest.raises(Bug, match="drifted"):
        world.block(world.trade(ALICE, BOB, BTC_PERP, 1, 790_000))


def test_money_left_in_passage_is_a_bug():
    world = funded()
    journal = Journal(world.state.fork())
    with pytest.raises(Bug, match="sums to 1"):
        journal.settle_amounts([(ALICE, -5), (BOB, 6)], 1, TransferCode.VARIATION_MARGIN, 1)
    with pytest.raises(Bug, match="left with cash"):
        journal.check_conserved()


def test_a_token_cannot_be_owed():
    world = funded()
    with pytest.raises(Bug, match="would owe"):
        Journal(world.state.fork()).transfer(ALICE, BOB, 2**32 + WETH_1, 1, TransferCode.COLLATERAL_BOUGHT, 0)


@pytest.mark.parametrize("seed", range(300 if COMPLETE else 10))
def test_no_block_stops_the_rulebook_or_makes_money(seed):
    fuzz = Fuzz(seed)
    for _ in range(BLOCKS):
        fuzz.step()
    fuzz.check_restart()


def test_what_is_remembered_of_trades_ends_with_their_time():
    fuzz = Fuzz(0)
    for _ in range(20):
        fuzz.step()
    fuzz.world.block(after_ms=61_000)
    assert not list(fuzz.world.state.novated_trades.ordered())
    assert not fuzz.world.state.expiring_trades.own_records
    assert sum(fuzz.world.lots(each, BTC_PERP) for each in MEMBERS) == 0
