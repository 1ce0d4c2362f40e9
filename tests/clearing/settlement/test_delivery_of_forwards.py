"""Forwards: marked like futures, at expiry delivered against payment; who fails pays, and nothing is created."""

from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.schema.receipts.liquidation import Liquidated
from clearing.schema.receipts.settlement import Delivered, DeliveryFailed, Settled, SettlementBasis
from clearing.schema.terms.prices import PriceTerms
from tests.kit.clearing.genesis import ALICE, BOB, CAROL, DOLLAR, ETH_PERP, EXPIRY_MS, HOUSE, USDC_1, WETH_1
from tests.kit.clearing.priced import ETH_CASH_FWD, ETH_FWD, priced
from tests.kit.clearing.world import World, codes, of_kind

UNITS = 10_000
"""Of WETH (10^-6) in a lot of 0.01 ETH."""
PRICE = 20_000 * 100
"""Micros of a lot at 200.00."""


def holding(*lots: tuple[int, int, int], tokens: dict[int, int], dollars: int = 100_000) -> World:
    """Forward trades (buyer, seller, lots) at the mark, and whole lots' worth of tokens by account."""
    world = priced(dollars=dollars)
    world.block(facts=[world.deposit_fact(each, WETH_1, count * 10**16) for each, count in tokens.items() if count])
    for buyer, seller, count in lots:
        world.block(world.trade(buyer, seller, ETH_FWD, count, world.state.marks[ETH_FWD].ticks))
    return world


def expire(world: World, eth: int = 20_000) -> World:
    world.prices(790_000, eth, after_ms=EXPIRY_MS - world.time_ms)
    return world


def delivered(world: World) -> Delivered:
    (done,) = of_kind(world.results[-1], Delivered)
    return done


def lots_of_tokens(world: World, account: int) -> int:
    return world.weth(account) // UNITS


def failures(world: World) -> dict[int, tuple[int, int]]:
    return {each.account: (each.lots, each.penalty) for each in of_kind(world.results[-1], DeliveryFailed)}


def test_a_forward_is_delivered_against_payment_at_the_settlement_price():
    world = holding((ALICE, BOB, 300), tokens={BOB: 500})
    world.prices(790_000, eth=21_000)
    alice, bob = world.cash(ALICE), world.cash(BOB)
    assert alice == 100_000 * DOLLAR + 300 * 1_000 * 100, "marked like a future"
    expire(world, eth=22_000)
    assert (lots_of_tokens(world, ALICE), lots_of_tokens(world, BOB)) == (300, 200)
    gain, paid = 300 * 1_000 * 100, 300 * 22_000 * 100
    assert (world.cash(ALICE) - alice, world.cash(BOB) - bob) == (gain - paid, paid - gain)
    done = delivered(world)
    assert (done.ticks, done.lots, done.of_lots, done.units, done.paid) == (22_000, 300, 300, 300 * UNITS, paid)
    assert world.lots(ALICE, ETH_FWD) == world.lots(BOB, ETH_FWD) == 0
    (settled,) = (each for each in of_kind(world.results[-1], Settled) if each.instrument == ETH_FWD)
    assert settled.paid == gain
    assert 100_000 * DOLLAR - world.cash(ALICE) == 300 * 20_000 * 100, "in all, the price of the trade"


def test_a_forward_without_a_token_settles_in_cash():
    world = priced()
    world.block(world.trade(ALICE, BOB, ETH_CASH_FWD, 300, 20_000))
    expire(world, eth=21_000)
    assert world.cash(ALICE) == 100_000 * DOLLAR + 300 * 1_000 * 100
    assert not of_kind(world.results[-1], Delivered)


def test_a_short_without_tokens_pays_a_penalty_to_who_was_ready():
    world = holding((ALICE, BOB, 300), tokens={BOB: 100})
    expire(world)
    penalty = 200 * PRICE // 100
    assert failures(world) == {BOB: (-200, penalty)}
    assert lots_of_tokens(world, ALICE) == 100
    assert world.cash(ALICE) == 100_000 * DOLLAR - 100 * PRICE + penalty
    assert world.cash(BOB) == 100_000 * DOLLAR + 100 * PRICE - penalty


def test_the_house_pays_no_penalty_for_who_hedged_a_forward_and_has_nothing():
    """Alice, long 20,000 forwards and as much short in the perpetual, needs no margin and keeps ten dollars."""
    world = holding((ALICE, BOB, 20_000), tokens={BOB: 20_000})
    world.block(world.trade(BOB, ALICE, ETH_PERP, 20_000, world.state.marks[ETH_PERP].ticks))
    assert codes(world.block(world.withdrawal(ALICE, USDC_1, world.cash(ALICE) - 10 * DOLLAR))) == []
    expire(world)
    worth = 5 * UNITS * 180  # of the five lots that ten dollars bought, after haircut
    assert failures(world) == {ALICE: (20_000 - 5, worth)}, "not 1 % of four million"
    (left,) = of_kind(world.results[-1], Liquidated)
    assert (left.account, left.deficits) == (ALICE, ())


def test_a_penalty_rounds_against_who_failed():
    world = priced(PriceTerms(delivery_fail_ppm=7))
    world.block(world.trade(ALICE, BOB, ETH_FWD, 1, 20_000))
    expire(world, eth=20_001)
    assert failures(world) == {BOB: (-1, 15)}, "7 millionths of 2.0001 are 14.0007 micros"


def test_a_long_without_cash_pays_a_penalty_and_the_short_keeps_its_tokens():
    world = holding((ALICE, BOB, 300), tokens={BOB: 300})
    world.block(world.withdrawal(ALICE, USDC_1, (world.cash(ALICE) // PRICE - 120) * PRICE))
    assert world.cash(ALICE) // PRICE == 120
    expire(world)
    penalty = 180 * PRICE // 100
    assert failures(world) == {ALICE: (180, penalty)}
    assert (lots_of_tokens(world, ALICE), lots_of_tokens(world, BOB)) == (120, 180)
    assert world.cash(BOB) == 100_000 * DOLLAR + 120 * PRICE + penalty


def test_nobody_pays_for_a_delivery_with_soft_credit(monkeypatch):
    world = holding((ALICE, BOB, 300), tokens={BOB: 300})
    loan = world.cash(ALICE) - 120 * PRICE
    monkeypatch.setattr(
        "clearing.settlement.expiry.soft_credit_of", lambda _state, account, _group: loan if account == ALICE else 0
    )
    expire(world)
    assert delivered(world).lots == 120
    assert failures(world).keys() == {ALICE}


def test_when_both_fail_on_the_same_lots_the_house_keeps_the_penalties():
    world = holding((ALICE, BOB, 300), tokens={BOB: 100})
    world.block(world.withdrawal(ALICE, USDC_1, (world.cash(ALICE) // PRICE - 100) * PRICE))
    house = world.cash(HOUSE)
    expire(world)
    penalty = 200 * PRICE // 100
    assert failures(world) == {ALICE: (200, penalty), BOB: (-200, penalty)}
    assert world.cash(HOUSE) - house == 2 * penalty
    assert delivered(world).lots == 100


def test_what_is_there_is_shared_pro_rata_in_whole_lots():
    world = holding((ALICE, BOB, 50), (CAROL, BOB, 50), (HOUSE, BOB, 50), tokens={BOB: 100})
    expire(world)
    assert [lots_of_tokens(world, each) for each in (HOUSE, ALICE, CAROL)] == [34, 33, 33]
    assert failures(world)[BOB][0] == -50


def test_tokens_of_one_short_never_stand_in_for_another():
    world = holding((ALICE, BOB, 100), (ALICE, CAROL, 100), tokens={CAROL: 500})
    expire(world)
    assert delivered(world).lots == 100
    assert failures(world).keys() == {BOB}
    assert lots_of_tokens(world, CAROL) == 400


def test_before_expiry_a_dead_feed_closes_a_forward_without_delivery():
    world = holding((ALICE, BOB, 100), tokens={BOB: 500})
    for _ in range(16):
        world.block(prices=((1, 790_000),))
    settled = {each.instrument: each for result in world.results for each in of_kind(result, Settled)}
    assert settled[ETH_FWD].basis == SettlementBasis.LAST_GOOD
    assert lots_of_tokens(world, BOB) == 500
    assert not [each for result in world.results for each in of_kind(result, Delivered)]


def test_nobody_holds_a_delivered_forward_any_more_and_accounts_are_looked_at():
    world = holding((ALICE, BOB, 4_000), tokens={BOB: 4_000})
    world.block(world.trade(ALICE, BOB, ETH_PERP, 6_000, 20_000))
    expire(world)
    assert (world.lots(ALICE, ETH_FWD), world.lots(ALICE, ETH_PERP)) == (0, 6_000)


EVERYBODY = (HOUSE, ALICE, BOB, CAROL)
accounts = st.sampled_from(EVERYBODY)
POSITIONS = st.lists(st.tuples(accounts, accounts, st.integers(1, 300)), min_size=1, max_size=6)


@given(POSITIONS, st.lists(st.integers(0, 500), min_size=4, max_size=4), st.integers(15_000, 26_000))
@settings(max_examples=40, deadline=None)
def test_whoever_fails_nothing_is_created_or_lost(trades, tokens, eth):
    world = holding(*(each for each in trades if each[0] != each[1]), tokens=dict(zip(EVERYBODY, tokens, strict=True)))
    lots = [world.lots(each, ETH_FWD) for each in EVERYBODY]
    cash, before = (sum(map(world.cash, EVERYBODY)), [lots_of_tokens(world, each) for each in EVERYBODY])
    expire(world, eth)
    after = [lots_of_tokens(world, each) for each in EVERYBODY]
    assert (sum(map(world.cash, EVERYBODY)), sum(after)) == (cash, sum(before))
    if not any(lots):
        return
    assert delivered(world).lots <= sum(
        min(-short, ready) for short, ready in zip(lots, before, strict=True) if short < 0
    )
    for position, had, has in zip(lots, before, after, strict=True):
        gains = has > had
        assert has == had or gains is (position > 0)
        assert abs(has - had) <= abs(position)
        assert has >= 0
    assert not any(world.lots(each, ETH_FWD) for each in EVERYBODY)
