"""The rulebook, as what happens: deposits, trades, margin, withdrawals."""

import pytest
from msgspec.structs import replace

from clearing.base.errors import RemoteFault
from clearing.schema.blocks.block import BlockExtension, VoteExtension
from clearing.schema.codes import ClearingCode as C
from clearing.schema.facts import ChainHeartbeat
from clearing.schema.receipts.collateral import DepositCredited, DepositsRefunded, DepositStray
from clearing.schema.receipts.settlement import Settled
from clearing.schema.receipts.withdrawals import WithdrawalConfirmed
from clearing.schema.risk.parameters import RiskGroup, RiskParameters
from clearing.schema.terms.chains import ChainTerms
from clearing.schema.terms.genesis import MarketParameters
from clearing.state.ledger import SUSPENSE_ACCOUNT
from clearing.validators.chain_attestations import agreed_final_block
from tests.kit.clearing.genesis import (
    ALICE,
    BOB,
    BTC_CALL,
    BTC_FUT,
    BTC_PERP,
    DOLLAR,
    EXPIRY_MS,
    USDC_1,
    WETH_1,
    make_genesis,
)
from tests.kit.clearing.world import World, codes, deposit_seen, executed, funded, kinds, of_kind
from tests.kit.table import tell

USDC = b"\xc1" * 20
BEAT = ChainHeartbeat(1, 7, b"\x0b" * 32)


@pytest.fixture
def empty() -> World:
    return World()


@pytest.fixture
def world() -> World:
    return funded()


def test_a_deposit_is_credited_once_and_not_remembered_again(empty):
    fact = empty.deposit_fact(ALICE, USDC_1, 5 * DOLLAR)
    assert kinds(empty.block(facts=(fact,))) == ["DepositCredited"]
    assert kinds(empty.block(facts=(fact,))) == []
    empty.block(facts=(fact,), attesting=2)
    assert not list(empty.state.fact_attestations.ordered())
    assert empty.cash(ALICE) == 5 * DOLLAR


def test_a_deposit_needs_more_than_two_thirds_and_attestations_add_up_across_heights(empty):
    fact = empty.deposit_fact(ALICE, USDC_1, DOLLAR)
    for attesting, credited in ((2, 0), (2, 0), (3, DOLLAR)):  # the same two validators again are no quorum
        empty.block(facts=(fact,), attesting=attesting)
        assert empty.cash(ALICE) == credited


def test_exactly_two_thirds_credit_nothing(empty):
    said = VoteExtension(facts=(empty.deposit_fact(ALICE, USDC_1, DOLLAR),))
    empty.apply(replace(empty.make_block(extensions=[said] * 2), total_power=30))
    assert empty.cash(ALICE) == 0


def test_deposits_are_credited_in_order_of_their_nonces(empty):
    first, second = empty.deposit_fact(ALICE, USDC_1, DOLLAR), empty.deposit_fact(BOB, USDC_1, DOLLAR)
    assert kinds(empty.block(facts=(second,))) == []
    result = empty.block(facts=(first,))
    assert [each.nonce for each in of_kind(result, DepositCredited)] == [1, 2]
    assert [cursor.nonce for cursor in result.deposit_cursors] == [2, 0]


def test_conflicting_deposits_of_one_nonce_wait_for_a_quorum(empty):
    empty.block(facts=(deposit_seen(1, 1, USDC, BOB, 1_000 * DOLLAR),), attesting=2)
    empty.block(facts=(deposit_seen(1, 1, USDC, ALICE, DOLLAR),), attesting=4)
    assert (empty.cash(ALICE), empty.cash(BOB)) == (DOLLAR, 0)


def test_nothing_deposited_is_lost(empty):
    nobody, stray = deposit_seen(1, 1, USDC, 999, DOLLAR), deposit_seen(1, 2, b"\x99" * 20, ALICE, 7)
    too_much, last = deposit_seen(1, 3, USDC, ALICE, 2**255), deposit_seen(1, 4, USDC, ALICE, DOLLAR)
    result = empty.block(facts=(nobody, stray, too_much, last))
    assert [(each.nonce, each.code) for each in of_kind(result, DepositStray)] == [
        (1, C.DEPOSIT_TO_UNKNOWN_ACCOUNT),
        (2, C.DEPOSIT_OF_UNKNOWN_TOKEN),
        (3, C.DEPOSIT_ABOVE_CAP),
    ]
    assert (empty.cash(SUSPENSE_ACCOUNT), empty.cash(ALICE)) == (0, DOLLAR)
    refunds = [(each.token, int.from_bytes(each.amount, "big")) for each in of_kind(result, DepositsRefunded)]
    assert refunds == [(USDC, DOLLAR + 2**255), (stray.token, 7)]


def test_dust_stays_on_chain(empty):
    (credited,) = of_kind(empty.block(facts=(empty.deposit_fact(ALICE, WETH_1, 5 * 10**12 + 17),)), DepositCredited)
    assert (credited.units, credited.dust, empty.weth(ALICE)) == (5, 17, 5)


def test_facts_far_ahead_are_not_remembered(empty):
    empty.block(facts=(deposit_seen(1, 5_000, USDC, ALICE, DOLLAR),), attesting=1)
    assert not list(empty.state.fact_attestations.ordered())


def test_a_trade_is_novated_netted_and_settled_at_the_mark(world):
    tell(
        world,
        """
        trade     alice  bob  BTC-PERP +0.1 @ 7_850   -> one novated buyer_received 5.00
        cash      alice  100_005.00
        cash      bob     99_995.00
        trade     alice  bob  BTC-PERP -0.1 @ 7_900   -> novated
        position  alice  BTC-PERP 0
        position  bob    BTC-PERP 0
        """,
    )
    assert ALICE not in world.state.books


def test_carried_lots_are_marked_and_payments_sum_to_zero(world):
    tell(
        world,
        """
        trade  alice  bob    BTC-PERP +0.3 @ 7_900    -> novated
        & trade  carol  alice  BTC-PERP +0.1 @ 7_900  -> novated
        price  BTC    8_000                           -> applied
        cash   alice  100_020.00
        cash   bob     99_970.00
        cash   carol  100_010.00
        cash   house  100_000.00
        """,
    )


def test_an_option_is_paid_in_cash_and_settled_at_its_intrinsic_value(world):
    mark = world.state.marks[BTC_CALL].ticks
    world.block(world.trade(ALICE, BOB, BTC_CALL, 50, mark))
    left = 100_000 * DOLLAR - 50 * mark * 10
    assert world.cash(ALICE) == left
    world.prices(850_000)
    assert world.cash(ALICE) == left, "options are not variation margined"
    world.prices(900_000, after_ms=EXPIRY_MS - world.time_ms)
    assert world.cash(ALICE) == left + 50 * 100_000 * 10
    assert world.lots(ALICE, BTC_CALL) == world.lots(BOB, BTC_CALL) == 0


def test_a_future_settles_at_the_last_index_once_and_cannot_be_traded_after(world):
    world.block(world.trade(ALICE, BOB, BTC_FUT, 100, world.state.marks[BTC_FUT].ticks))
    start = world.cash(ALICE)
    result = world.prices(800_000, after_ms=EXPIRY_MS - world.time_ms)
    assert {each.instrument for each in of_kind(result, Settled)} == {BTC_FUT, BTC_CALL}
    assert (world.cash(ALICE) - start, world.lots(ALICE, BTC_FUT)) == (100 * 10_000 * 10, 0)
    assert codes(world.block(world.trade(ALICE, BOB, BTC_FUT, 1, 800_000))) == [C.INSTRUMENT_EXPIRED]
    assert not of_kind(world.prices(810_000), Settled)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param({"instrument": 77}, C.UNKNOWN_INSTRUMENT, id="unknown instrument"),
        pytest.param({"lots": 0}, C.BAD_SIZE, id="no lots"),
        pytest.param({"lots": 2**39}, C.BAD_SIZE, id="too many lots"),
        pytest.param({"ticks": 2**62}, C.BAD_SIZE, id="absurd price"),
        pytest.param({"ticks": 900_000}, C.PRICE_OUTSIDE_BAND, id="far from the mark"),
        pytest.param({"seller": ALICE}, C.SAME_ACCOUNT, id="one account"),
        pytest.param({"seller": 555}, C.UNKNOWN_ACCOUNT, id="unknown account"),
        pytest.param({"seller": SUSPENSE_ACCOUNT}, C.UNKNOWN_ACCOUNT, id="nobody signs for suspense"),
        pytest.param({"lots": 100_000}, C.COLLATERAL_NEEDED_FOR_MARGIN, id="too large for its margin"),
        pytest.param({"not_after_ms": 1}, C.REQUEST_EXPIRED, id="expired"),
        pytest.param({"not_after_ms": 2**62}, C.REQUEST_TOO_FAR_AHEAD, id="too far ahead"),
    ],
)
def test_a_bad_trade_is_refused_and_changes_nothing(world, changes, code):
    asked = {"buyer": ALICE, "seller": BOB, "instrument": BTC_PERP, "lots": 10, "ticks": 790_000} | changes
    before = world.state.module_roots()
    assert codes(world.block(world.trade(**asked))) == [code]
    after = world.state.module_roots()
    assert [i for i in range(8) if before[i] != after[i]] == [5], "only the clock moved"


def test_a_trade_id_is_novated_once_even_with_other_terms(world):
    tell(
        world,
        """
        trade  alice  bob  BTC-PERP +0.001 @ 7_900     venue_trade_id 9  -> novated
        trade  alice  bob  BTC-PERP +0.002 @ 7_900.01  venue_trade_id 9  -> refused R0209 trade_already_novated
        """,
    )


def test_a_trade_id_is_remembered_to_its_last_moment_and_forgotten_when_it_can_no_longer_be_shown(world):
    trade = world.perp_trade(ALICE, BOB)
    world.block(trade, world.perp_trade(ALICE, BOB), world.perp_trade(ALICE, BOB))
    assert len(list(world.state.novated_trades.ordered())) == 3
    left = trade.not_after_ms - world.state.now.time_ms
    for after_ms, code in ((left, C.TRADE_ALREADY_NOVATED), (5_000, C.REQUEST_EXPIRED)):
        assert codes(world.block(trade, prices=tuple(world.ticks.items()), after_ms=after_ms)) == [code]
    assert not list(world.state.novated_trades.ordered())
    assert not list(world.state.expiring_trades.ordered())


def test_both_sides_must_have_signed(world):
    good = world.trade(ALICE, BOB, BTC_PERP, 10, 790_000)
    for wrong in ({"seller_signature": good.buyer_signature}, {"lots": 10**6}):
        assert codes(world.block(replace(good, **wrong))) == [C.WRONG_SIGNER]


def test_no_trade_without_an_open_price(empty, world):
    empty.deposit(ALICE, USDC_1, DOLLAR)
    assert codes(empty.block(empty.perp_trade(ALICE, BOB))) == [C.PRICE_MISSING]
    assert codes(world.block(world.perp_trade(ALICE, BOB), after_ms=10_000)) == [C.PRICE_NOT_OPEN]


def test_below_initial_margin_only_less_risk_passes():
    tell(
        funded(dollars=8_000),
        """
        trade    alice  bob    BTC-PERP +4.5   @ 7_900  -> novated
        price    BTC    7_650                           -> one margin_called account alice
        trade    alice  carol  BTC-PERP +0.001 @ 7_650  -> refused R0203 collateral_needed_for_margin
        trade    carol  alice  BTC-PERP +0.001 @ 7_650  -> novated
        deposit  alice  eth:USDC 5_000.00               -> credited, margin_restored
        """,
    )


@pytest.mark.parametrize(
    "trade",
    [
        pytest.param("alice bob BTC-PERP -0.01 @ 7_050", id="more value is given away than margin freed"),
        pytest.param("alice bob BTC-PERP +0.01 @ 7_050", id="value is received, but risk grows"),
    ],
)
def test_less_risk_means_less_risk_and_no_less_cover(trade):
    groups = (RiskGroup(1, "BTC", 1, 50_000, 800_000, 200_000), RiskGroup(2, "ETH", 2, 50_000, 900_000, 200_000))
    tell(
        funded(genesis=make_genesis(risk=RiskParameters(groups, cash_limit_micros=10**12)), dollars=8_000),
        f"""
        trade    alice  bob  BTC-PERP +18 @ 7_900    -> novated
        price    BTC    7_830                        -> one margin_called account alice
        deposit  bob    eth:USDC 100_000.00          -> credited
        trade    {trade}                             -> refused R0203 collateral_needed_for_margin
        trade    alice  bob  BTC-PERP -0.01 @ 7_830  -> novated
        """,
    )


def test_fees_are_rounded_up_and_paid_to_the_house():
    tell(
        funded(genesis=make_genesis(MarketParameters(trade_fee_ppm=100))),
        """
        trade  alice  bob  BTC-PERP +0.001 @ 7_900.01  -> novated  # 7,900,010 micros x 100 ppm = 790.001
        cash   alice   99_999.999199                               # and 10 of variation
        cash   bob     99_999.999219
        cash   house  100_000.001582
        """,
    )


def test_a_withdrawal_can_go_to_another_chain_within_its_inventory(world):
    tell(
        world,
        """
        deposit   bob    base:USDC  500.00  -> credited
        withdraw  alice  base:USDC  501.00  -> refused R0219 chain_inventory_too_small
        & withdraw  alice  base:USDC  500.00  -> one released nonce 0 chain_id 2 account alice
        cash      alice  99_500.00
        """,
    )
    assert world.results[-1].withdrawals_count == 1
    assert kinds(world.block(facts=(executed(1, 0),))) == [], "another vault cannot confirm it"
    assert len(of_kind(world.block(facts=(executed(2, 0),)), WithdrawalConfirmed)) == 1
    assert not of_kind(world.block(facts=(executed(2, 0),)), WithdrawalConfirmed)


def test_a_withdrawal_must_leave_initial_margin():
    tell(
        funded(dollars=10_000),
        """
        trade     alice  bob  BTC-PERP +4 @ 7_900  -> novated
        withdraw  alice  eth:USDC  4_000.00        -> refused R0203 collateral_needed_for_margin
        withdraw  alice  eth:USDC  3_000.00        -> released
        """,
    )


def test_withdrawals_are_refused_by_rule(world):
    good = world.withdrawal(ALICE, USDC_1, DOLLAR)
    table = [
        (good, []),
        (good, [C.NONCE_USED]),
        (world.withdrawal(ALICE, 99, 1), [C.UNKNOWN_ASSET]),
        (world.withdrawal(ALICE, USDC_1, 0), [C.BAD_SIZE]),
        (world.withdrawal(ALICE, USDC_1, 1, bytes(20)), [C.BAD_RECIPIENT]),
        (world.withdrawal(ALICE, USDC_1, 200_000 * DOLLAR), [C.BALANCE_TOO_SMALL]),
        (world.withdrawal(ALICE, WETH_1, 1), [C.BALANCE_TOO_SMALL]),
        (world.withdrawal(777, USDC_1, 1), [C.UNKNOWN_ACCOUNT]),
        (world.withdrawal(ALICE, USDC_1, 1, not_after_ms=5), [C.REQUEST_EXPIRED]),
    ]
    for request, refused in table:
        assert codes(world.block(request, prices=tuple(world.ticks.items()))) == refused


def test_without_positions_collateral_leaves_even_when_prices_are_stale(world):
    assert codes(world.block(world.withdrawal(ALICE, USDC_1, 100_000 * DOLLAR), after_ms=20_000)) == []


def test_cash_moves_between_accounts_of_one_member_only(world):
    tell(
        world,
        """
        transfer  alice  client  1.00  -> transferred
        & transfer  alice  bob     1.00  -> refused R0213 not_own_account
        cash      client 1.00
        """,
    )


def test_a_request_is_good_up_to_and_including_its_not_after(world):
    for left_ms, refused in ((1_000, []), (999, [C.REQUEST_EXPIRED])):
        trade = world.trade(ALICE, BOB, BTC_PERP, 1, 790_000, not_after_ms=world.state.now.time_ms + left_ms)
        assert codes(world.block(trade)) == refused


def test_a_block_with_wrong_structure_is_a_lie(world):
    good = world.make_block(extensions=[None, None])
    for change in (
        {"height": good.height + 1},
        {"time_ms": world.time_ms - 1},
        {"extensions": (good.extensions[0], good.extensions[0])},
        {"extensions": (BlockExtension(9, 10, None),)},
        {"extensions": (BlockExtension(0, 41, None),)},
    ):
        with pytest.raises(RemoteFault):
            world.apply(replace(good, **change))
    world.apply(good)


def watched() -> World:
    """A world that hears of its chains at least every three seconds, or releases nothing."""
    chains = tuple(replace(chain, heartbeat_ms_max=3_000) for chain in make_genesis().chains)
    return funded(genesis=make_genesis(chains=chains))


def test_a_silent_chain_releases_nothing_until_a_quorum_hears_of_a_new_block():
    world = watched()
    assert codes(world.block(world.withdrawal(ALICE, USDC_1, 1))) == [C.CHAIN_SILENT]
    world.block(facts=(BEAT,), attesting=2)
    assert agreed_final_block(world.state, 1) == 0
    assert codes(world.block(world.withdrawal(ALICE, USDC_1, 1), facts=(BEAT,), attesting=3)) == []
    assert agreed_final_block(world.state, 1) == 7
    world.block(facts=(BEAT,), attesting=4)
    silent = world.block(world.withdrawal(ALICE, USDC_1, 1), after_ms=3_000)
    assert codes(silent) == [C.CHAIN_SILENT], "the same block again is no sign of life"


def test_a_genesis_that_says_nothing_of_silence_releases_nothing_on_a_silent_chain():
    chains = tuple(ChainTerms(each.chain_id, each.name, each.vault, 4) for each in make_genesis().chains)
    world = funded(genesis=make_genesis(chains=chains))
    world.block(facts=(BEAT,))
    assert codes(world.block(world.withdrawal(ALICE, USDC_1, 1))) == []
    world.block(after_ms=3_600_000)
    silent = world.block(world.withdrawal(ALICE, USDC_1, 1))
    assert codes(silent) == [C.CHAIN_SILENT]


@pytest.mark.parametrize(("after_ms", "refused"), [(3_000, []), (3_001, [C.CHAIN_SILENT])])
def test_a_chain_is_live_for_exactly_as_long_as_genesis_says(after_ms, refused):
    world = watched()
    world.block(facts=(BEAT,))
    assert codes(world.block(world.withdrawal(ALICE, USDC_1, 1), after_ms=after_ms)) == refused
