"""No trade brings a balance to what the ledger cannot count: it is refused when it is made.

A box of four options has no risk, so it needs no margin, and it pays its whole width at once. With a cash limit that
allows it, four boxes brought Bob's cash to 2^62: the journal found a broken invariant (`Bug: balance of account 2 in
currency 1 reaches 2^62`), and every node stopped at that block. It cost two members nothing.
"""

from collections.abc import Iterator
from itertools import product

import msgspec
import pytest

from clearing.base.codec import decode, encode
from clearing.base.units import POSITION_MAX
from clearing.schema.blocks.block import BlockResult
from clearing.schema.codes import ClearingCode as C
from clearing.schema.requests.trades import Trade
from clearing.schema.terms.genesis import Genesis
from clearing.schema.terms.instruments import INDEX_TICKS_MAX, MICROS_PER_TICK_MAX, Instrument, InstrumentKind
from clearing.trades.balance_limits import BALANCE_MAX, beyond_balance_limit
from clearing.trades.novation import NOTIONAL_MAX, TRADE_TICKS_MAX
from tests.kit.clearing.genesis import (
    ALICE,
    BOB,
    BTC,
    CAROL,
    ETH,
    EXPIRY_MS,
    HOUSE,
    RISK,
    USD,
    USDC_1,
    USDC_2,
    make_genesis,
)
from tests.kit.clearing.world import World, codes

CASH_CAP = 2**59
INDEX = 790_000
BOXES = 20
CALLS, PUTS = 100, 200
"""Numbers of the options from here on; of each strike one call and one put."""


def boxed_genesis(strikes: list[int], micros_per_tick: int = 10, cash_limit: int = 2**62 - 1) -> Genesis:
    """Options of these strikes, and members that may owe almost anything."""
    genesis = make_genesis(risk=msgspec.structs.replace(RISK, cash_limit_micros=cash_limit))
    listed = [msgspec.structs.replace(each, micros_per_tick=micros_per_tick) for each in genesis.instruments]
    for first, kind in ((CALLS, InstrumentKind.CALL), (PUTS, InstrumentKind.PUT)):
        listed += [
            Instrument(
                first + at, f"{kind.name}-{at}", kind, BTC, 1, USD, micros_per_tick, EXPIRY_MS, strike, 1_000_000
            )
            for at, strike in enumerate(strikes)
        ]
    assets = [
        msgspec.structs.replace(each, cap_units=CASH_CAP) if each.id in (USDC_1, USDC_2) else each
        for each in genesis.assets
    ]
    return msgspec.structs.replace(genesis, instruments=tuple(listed), assets=tuple(assets))


def rich(genesis: Genesis, index: int = INDEX) -> World:
    """Everybody with an eighth of all cash that the ledger may have."""
    world = World(genesis, check=False)
    world.prices(index)
    world.endow(CASH_CAP // 4 // 10**6)
    return world


def box(world: World, low: int, high: int, lots: int) -> Iterator[Trade]:
    """Alice lends Bob the difference of two strikes: she buys the box of four options at their marks."""
    for buyer, seller, instrument in (
        (ALICE, BOB, PUTS + high),
        (BOB, ALICE, PUTS + low),
        (BOB, ALICE, CALLS + high),
        (ALICE, BOB, CALLS + low),
    ):
        yield world.trade(buyer, seller, instrument, lots, world.state.marks[instrument].ticks)


def test_boxes_of_options_cannot_bring_a_balance_to_what_the_ledger_cannot_count():
    strikes = [100_000 + at for at in range(BOXES)] + [1_500_000 + at for at in range(BOXES)]
    world = rich(boxed_genesis(strikes))
    refused = set()
    for at in range(BOXES):
        lots = NOTIONAL_MAX // (1_500_100 * 10) // 8
        for trade in (each for _ in range(8) for each in box(world, at, at + BOXES, lots)):
            refused |= set(world.refused(trade, prices=((BTC, INDEX), (ETH, 20_000))))
            assert all(abs(world.cash(account)) <= BALANCE_MAX for account in (ALICE, BOB))
    assert refused <= {C.POSITION_LIMIT, C.BALANCE_LIMIT, C.COLLATERAL_NEEDED_FOR_MARGIN}
    assert C.POSITION_LIMIT in refused, "all positions of an account together are bounded"


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        ((0,), (BALANCE_MAX,), None),
        ((0,), (BALANCE_MAX + 1,), BALANCE_MAX + 1),
        ((0, 0), (0, -BALANCE_MAX - 1), -BALANCE_MAX - 1),
        ((BALANCE_MAX + 5,), (BALANCE_MAX + 4,), None),
        ((-BALANCE_MAX - 5,), (-BALANCE_MAX - 5,), None),
        ((-BALANCE_MAX - 5,), (BALANCE_MAX + 4,), None),
        ((-BALANCE_MAX - 5,), (BALANCE_MAX + 6,), BALANCE_MAX + 6),
    ],
)
def test_a_balance_may_only_come_back_from_beyond_the_limit(before, after, refused):
    assert beyond_balance_limit(before, after) == refused


def near_the_limit(account: int) -> World:
    """The account's cash is the limit, less ten dollars: the rest of the world owes it."""
    world = rich(boxed_genesis([100_000]))
    state = world.state
    record, owing = state.balances[(account, USD)], state.balances[(CAROL, USD)]
    added = BALANCE_MAX - 10**7 - (record.credits - record.debits)
    state.balances.put((account, USD), msgspec.structs.replace(record, credits=record.credits + added))
    state.balances.put((CAROL, USD), msgspec.structs.replace(owing, debits=owing.debits + added))
    return world


def test_a_premium_or_a_price_beside_the_mark_cannot_pay_beyond_the_limit():
    world = near_the_limit(BOB)
    mark = world.state.marks[CALLS].ticks
    trade = world.trade(ALICE, BOB, CALLS, 10, mark)
    assert mark * 10 * 10 > 10**7
    assert world.refused(trade, prices=((BTC, INDEX), (ETH, 20_000))) == [C.BALANCE_LIMIT]
    assert world.refused(world.trade(BOB, ALICE, CALLS, 10, mark), prices=((BTC, INDEX), (ETH, 20_000))) == []


def test_a_swap_of_claims_cannot_pay_beyond_the_limit():
    world = near_the_limit(BOB)
    world.deposit(BOB, 3, 1_000)
    for micros, code in ((10**7 + 1, [C.BALANCE_LIMIT]), (10**7, [])):
        swap = world.swap(ALICE, BOB, (USD, micros), (2**32 + 3, 1))
        assert world.refused(swap, prices=((BTC, INDEX), (ETH, 20_000))) == code


@pytest.mark.parametrize(
    ("index", "micros_per_tick"),
    [*product((1, INDEX, INDEX_TICKS_MAX // 2, INDEX_TICKS_MAX), (1, MICROS_PER_TICK_MAX))],
)
def test_no_size_or_price_of_a_trade_ends_a_block(index, micros_per_tick):
    """Each is novated or refused by a code, and its receipt can be encoded."""
    world = rich(boxed_genesis([max(index // 2, 1), index], micros_per_tick), index)
    allowed = {C.PRICE_OUTSIDE_BAND, C.POSITION_LIMIT, C.BALANCE_LIMIT, C.CASH_LIMIT, C.COLLATERAL_NEEDED_FOR_MARGIN}
    allowed |= {C.BAD_SIZE}
    for instrument, lots in product(list(world.state.terms.instruments), (1, 2**20, POSITION_MAX)):
        mark = world.state.marks[instrument].ticks
        for ticks in (1, mark, min(mark * 2, TRADE_TICKS_MAX), TRADE_TICKS_MAX):
            for buyer, seller in ((ALICE, BOB), (HOUSE, CAROL)):
                trade = world.trade(buyer, seller, instrument, lots, max(ticks, 1))
                result = world.block(trade, prices=((BTC, index), (ETH, 20_000)), after_ms=1)
                assert set(codes(result)) <= allowed
                assert decode(encode(result), BlockResult, 1 << 24) == result
