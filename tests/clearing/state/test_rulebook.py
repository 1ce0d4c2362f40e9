"""The rulebook, told as what happens: deposits, trades, margin, withdrawals."""

import msgspec
import pytest

from clearing.base.errors import RemoteFault
from clearing.schema.blocks.block import BlockExtension, VoteExtension
from clearing.schema.codes import REMEDIES, ClearingCode
from clearing.schema.facts import ChainHeartbeat
from clearing.schema.receipts.collateral import DepositCredited, DepositStray
from clearing.schema.receipts.margin_calls import MarginCalled
from clearing.schema.receipts.settlement import Settled
from clearing.schema.receipts.withdrawals import WithdrawalConfirmed
from clearing.schema.risk.parameters import RiskGroup, RiskParameters
from clearing.schema.terms.genesis import MarketParameters
from clearing.state.ledger import SUSPENSE_ACCOUNT, balance, cash_currency
from clearing.validators.chain_attestations import agreed_final_block
from tests.kit.clearing.genesis import (
    ALICE,
    BOB,
    BTC_CALL,
    BTC_FUT,
    BTC_PERP,
    DOLLAR,
    EXPIRY_MS,
    HOUSE,
    USD,
    USDC_1,
    VAULTS,
    WETH_1,
    make_genesis,
)
from tests.kit.clearing.world import World, codes, deposit_seen, executed, funded, kinds, of_kind
from tests.kit.table import tell

C = ClearingCode


def test_every_code_has_a_remedy() -> None:
    assert set(REMEDIES) == set(ClearingCode)


def test_a_deposit_is_credited_once() -> None:
    world = World()
    fact = world.deposit_fact(ALICE, USDC_1, 5 * DOLLAR)
    first = world.block(facts=(fact,))
    again = world.block(facts=(fact,))
    assert kinds(first) == ["DepositCredited"]
    assert kinds(again) == []
    assert world.cash(ALICE) == 5 * DOLLAR


@pytest.mark.parametrize(("attesting", "credited"), [(2, False), (3, True)])
def test_a_deposit_needs_more_than_two_thirds(attesting: int, credited: bool) -> None:
    world = World()
    world.block(facts=(world.deposit_fact(ALICE, USDC_1, DOLLAR),), attesting=attesting)
    assert (world.cash(ALICE) == DOLLAR) is credited


def test_attestations_add_up_across_heights() -> None:
    world = World()
    fact = world.deposit_fact(ALICE, USDC_1, DOLLAR)
    world.block(facts=(fact,), attesting=2)
    world.block(facts=(fact,), attesting=2)
    assert world.cash(ALICE) == 0, "the same two validators again are no quorum"
    world.block(facts=(fact,), attesting=3)
    assert world.cash(ALICE) == DOLLAR


def test_deposits_are_credited_in_order_of_their_nonces() -> None:
    world = World()
    first, second = world.deposit_fact(ALICE, USDC_1, DOLLAR), world.deposit_fact(BOB, USDC_1, DOLLAR)
    assert kinds(world.block(facts=(second,))) == []
    result = world.block(facts=(first,))
    assert [each.nonce for each in of_kind(result, DepositCredited)] == [1, 2]
    assert [cursor.nonce for cursor in result.deposit_cursors] == [2, 0]


def test_conflicting_deposits_of_one_nonce_wait_for_a_quorum() -> None:
    world = World()
    asset = world.state.terms.assets[USDC_1]
    honest = deposit_seen(1, 1, asset.token, ALICE, DOLLAR)
    forged = deposit_seen(1, 1, asset.token, BOB, 1_000 * DOLLAR)
    world.block(facts=(forged,), attesting=2)
    world.block(facts=(honest,), attesting=4)
    assert (world.cash(ALICE), world.cash(BOB)) == (DOLLAR, 0)


def test_nothing_deposited_is_lost() -> None:
    world = World()
    token = world.state.terms.assets[USDC_1].token
    nobody = deposit_seen(1, 1, token, 999, DOLLAR)
    stray = deposit_seen(1, 2, b"\x99" * 20, ALICE, 7)
    too_much = deposit_seen(1, 3, token, ALICE, 2**255)
    last = deposit_seen(1, 4, token, ALICE, DOLLAR)
    result = world.block(facts=(nobody, stray, too_much, last))
    told = [(each.nonce, each.code, each.account) for each in of_kind(result, DepositStray)]
    assert told == [
        (1, C.DEPOSIT_TO_UNKNOWN_ACCOUNT, SUSPENSE_ACCOUNT),
        (2, C.DEPOSIT_OF_UNKNOWN_TOKEN, 0),
        (3, C.DEPOSIT_ABOVE_CAP, 0),
    ]
    assert balance(world.state, SUSPENSE_ACCOUNT, cash_currency(USD)) == DOLLAR
    assert world.cash(ALICE) == DOLLAR
    assert (1, VAULTS[1], 2) in world.state.stray_deposits


def test_dust_stays_on_chain() -> None:
    world = World()
    result = world.block(facts=(world.deposit_fact(ALICE, WETH_1, 5 * 10**12 + 17),))
    (credited,) = of_kind(result, DepositCredited)
    assert (credited.units, credited.dust, world.weth(ALICE)) == (5, 17, 5)


def test_facts_far_ahead_are_not_remembered() -> None:
    world = World()
    fact = deposit_seen(1, 5_000, world.state.terms.assets[USDC_1].token, ALICE, DOLLAR)
    world.block(facts=(fact,), attesting=1)
    assert not list(world.state.fact_attestations.ordered())


def test_a_trade_is_novated_netted_and_settled_at_the_mark() -> None:
    world = tell(
        funded(),
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


def test_carried_lots_are_marked_and_payments_sum_to_zero() -> None:
    tell(
        funded(),
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


def test_an_option_is_paid_in_cash_and_settled_at_its_intrinsic_value() -> None:
    world = funded()
    mark = world.state.marks[BTC_CALL].ticks
    world.block(world.trade(ALICE, BOB, BTC_CALL, 50, mark))
    premium = 50 * mark * 10
    assert world.cash(ALICE) == 100_000 * DOLLAR - premium
    world.prices(850_000)
    assert world.cash(ALICE) == 100_000 * DOLLAR - premium, "options are not variation margined"
    world.prices(900_000, after_ms=EXPIRY_MS - world.time_ms)
    assert world.cash(ALICE) == 100_000 * DOLLAR - premium + 50 * 100_000 * 10
    assert world.lots(ALICE, BTC_CALL) == world.lots(BOB, BTC_CALL) == 0


def test_a_future_settles_at_the_last_index_and_cannot_be_traded_after() -> None:
    world = funded()
    world.block(world.trade(ALICE, BOB, BTC_FUT, 100, world.state.marks[BTC_FUT].ticks))
    start = world.cash(ALICE)
    result = world.prices(800_000, after_ms=EXPIRY_MS - world.time_ms)
    assert {each.instrument for each in of_kind(result, Settled)} == {BTC_FUT, BTC_CALL}
    assert world.cash(ALICE) - start == 100 * 10_000 * 10
    assert world.lots(ALICE, BTC_FUT) == 0
    assert codes(world.block(world.trade(ALICE, BOB, BTC_FUT, 1, 800_000))) == [C.INSTRUMENT_EXPIRED]
    assert not of_kind(world.prices(810_000), Settled), "once"


REFUSALS = [
    ("unknown instrument", {"instrument": 77}, C.UNKNOWN_INSTRUMENT),
    ("no lots", {"lots": 0}, C.BAD_SIZE),
    ("too many lots", {"lots": 2**39}, C.BAD_SIZE),
    ("absurd price", {"ticks": 2**62}, C.BAD_SIZE),
    ("far from the mark", {"ticks": 900_000}, C.PRICE_OUTSIDE_BAND),
    ("one account", {"seller": ALICE}, C.SAME_ACCOUNT),
    ("unknown account", {"seller": 555}, C.UNKNOWN_ACCOUNT),
    ("nobody signs for suspense", {"seller": SUSPENSE_ACCOUNT}, C.UNKNOWN_ACCOUNT),
    ("too large for its margin", {"lots": 100_000}, C.COLLATERAL_NEEDED_FOR_MARGIN),
    ("expired", {"not_after_ms": 1}, C.REQUEST_EXPIRED),
    ("too far ahead", {"not_after_ms": 2**62}, C.REQUEST_TOO_FAR_AHEAD),
]


@pytest.mark.parametrize(("changes", "code"), [case[1:] for case in REFUSALS], ids=[case[0] for case in REFUSALS])
def test_a_bad_trade_is_refused_and_changes_nothing(changes: dict[str, int], code: ClearingCode) -> None:
    world = funded()
    asked = {"buyer": ALICE, "seller": BOB, "instrument": BTC_PERP, "lots": 10, "ticks": 790_000} | changes
    before = world.state.module_roots()
    result = world.block(world.trade(**asked))
    assert codes(result) == [code]
    after = world.state.module_roots()
    assert [i for i in range(8) if before[i] != after[i]] == [5], "only the clock moved"


def test_a_trade_id_is_novated_once_even_with_other_terms() -> None:
    tell(
        funded(),
        """
        trade  alice  bob  BTC-PERP +0.001 @ 7_900     venue_trade_id 9  -> novated
        trade  alice  bob  BTC-PERP +0.002 @ 7_900.01  venue_trade_id 9  -> refused R0209 trade_already_novated
        """,
    )


def test_trade_ids_are_forgotten_when_they_can_no_longer_be_shown() -> None:
    world = funded()
    world.block(*(world.trade(ALICE, BOB, BTC_PERP, 1, 790_000) for _ in range(3)))
    assert len(list(world.state.novated_trades.ordered())) == 3
    for _ in range(62):
        world.prices(790_000)
    assert not list(world.state.novated_trades.ordered())
    assert not list(world.state.expiring_trades.ordered())


def test_both_sides_must_have_signed() -> None:
    world = funded()
    good = world.trade(ALICE, BOB, BTC_PERP, 10, 790_000)
    forged = type(good)(*(getattr(good, f) for f in good.__struct_fields__[:-1]), good.buyer_signature)
    assert codes(world.block(forged)) == [C.WRONG_SIGNER]
    changed = type(good)(*(10**6 if f == "lots" else getattr(good, f) for f in good.__struct_fields__))
    assert codes(world.block(changed)) == [C.WRONG_SIGNER]


def test_no_trade_without_an_open_price() -> None:
    world = World()
    world.deposit(ALICE, USDC_1, DOLLAR)
    assert codes(world.block(world.trade(ALICE, BOB, BTC_PERP, 1, 790_000))) == [C.PRICE_MISSING]
    world = funded()
    assert codes(world.block(world.trade(ALICE, BOB, BTC_PERP, 1, 790_000), after_ms=10_000)) == [C.PRICE_NOT_OPEN]


def test_below_initial_margin_only_less_risk_passes() -> None:
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


def test_a_withdrawal_can_go_to_another_chain_within_its_inventory() -> None:
    world = tell(
        funded(),
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


def test_a_withdrawal_must_leave_initial_margin() -> None:
    tell(
        funded(dollars=10_000),
        """
        trade     alice  bob  BTC-PERP +4 @ 7_900  -> novated
        withdraw  alice  eth:USDC  4_000.00        -> refused R0203 collateral_needed_for_margin
        withdraw  alice  eth:USDC  3_000.00        -> released
        """,
    )


def test_withdrawals_are_refused_by_rule() -> None:
    world = funded()
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
    for request, wanted in table:
        assert codes(world.block(request, prices=((1, 790_000), (2, 20_000)))) == wanted


def test_without_positions_collateral_leaves_even_when_prices_are_stale() -> None:
    world = funded()
    result = world.block(world.withdrawal(ALICE, USDC_1, 100_000 * DOLLAR), after_ms=20_000)
    assert codes(result) == []


def test_cash_moves_between_accounts_of_one_member_only() -> None:
    tell(
        funded(),
        """
        transfer  alice  client  1.00  -> transferred
        & transfer  alice  bob     1.00  -> refused R0213 not_own_account
        cash      client 1.00
        """,
    )


def test_a_block_with_wrong_structure_is_a_lie() -> None:
    world = funded()
    good = world.make_block(extensions=[None, None])
    twice = (good.extensions[0], good.extensions[0])
    unknown = (BlockExtension(9, 10, None),)
    too_heavy = (BlockExtension(0, 41, None),)
    wrong = [
        {"height": good.height + 1},
        {"time_ms": world.time_ms - 1},
        {"extensions": twice},
        {"extensions": unknown},
        {"extensions": too_heavy},
    ]
    for change in wrong:
        with pytest.raises(RemoteFault):
            world.apply(msgspec.structs.replace(good, **change))
    world.apply(good)


def test_a_silent_chain_releases_nothing() -> None:
    genesis = make_genesis()
    watched = tuple(msgspec.structs.replace(chain, heartbeat_ms_max=3_000) for chain in genesis.chains)
    world = funded(genesis=msgspec.structs.replace(genesis, chains=watched))
    assert codes(world.block(world.withdrawal(ALICE, USDC_1, 1))) == [C.CHAIN_SILENT]
    beat = ChainHeartbeat(1, 7, b"\x0b" * 32)
    world.block(facts=(beat,), attesting=2)
    assert agreed_final_block(world.state, 1) == 0
    assert codes(world.block(world.withdrawal(ALICE, USDC_1, 1), facts=(beat,), attesting=3)) == []
    assert agreed_final_block(world.state, 1) == 7
    world.block(facts=(beat,), attesting=4)
    assert codes(world.block(world.withdrawal(ALICE, USDC_1, 1), after_ms=3_000)) == [C.CHAIN_SILENT]


def test_a_request_is_good_up_to_and_including_its_not_after() -> None:
    world = funded()
    at = world.state.now.time_ms + 1_000
    assert codes(world.block(world.trade(ALICE, BOB, BTC_PERP, 1, 790_000, not_after_ms=at))) == []
    at = world.state.now.time_ms + 999
    assert codes(world.block(world.trade(ALICE, BOB, BTC_PERP, 1, 790_000, not_after_ms=at))) == [C.REQUEST_EXPIRED]


def test_a_trade_id_is_remembered_to_its_last_moment() -> None:
    world = funded()
    trade = world.trade(ALICE, BOB, BTC_PERP, 1, 790_000)
    world.block(trade)
    prices = ((1, 790_000), (2, 20_000))
    left = trade.not_after_ms - world.state.now.time_ms
    assert codes(world.block(trade, prices=prices, after_ms=left)) == [C.TRADE_ALREADY_NOVATED]
    assert codes(world.block(trade, prices=prices, after_ms=5_000)) == [C.REQUEST_EXPIRED]


def test_fees_are_rounded_up_and_paid_to_the_house() -> None:
    world = funded(genesis=make_genesis(MarketParameters(trade_fee_ppm=100)))
    world.block(world.trade(ALICE, BOB, BTC_PERP, 1, 790_001))
    fee, variation = 791, 10  # 7,900,010 micros x 100 ppm = 790.001
    start = 100_000 * DOLLAR
    assert world.cash(ALICE) == start - fee - variation
    assert world.cash(BOB) == start - fee + variation
    assert world.cash(HOUSE) == start + 2 * fee


@pytest.mark.parametrize(
    ("buyer", "seller", "ticks"),
    [
        (BOB, ALICE, 705_000),  # less risk, but more value given away than margin freed
        (ALICE, BOB, 705_000),  # value received, but more risk
    ],
)
def test_less_risk_means_less_risk_and_no_less_cover(buyer: int, seller: int, ticks: int) -> None:
    groups = (RiskGroup(1, "BTC", 1, 50_000, 800_000, 200_000), RiskGroup(2, "ETH", 2, 50_000, 900_000, 200_000))
    risk = RiskParameters(groups, cash_limit_micros=10**12)
    world = funded(genesis=make_genesis(risk=risk), dollars=8_000)
    world.block(world.trade(ALICE, BOB, BTC_PERP, 18_000, 790_000))
    assert [each.account for each in of_kind(world.prices(783_000), MarginCalled)] == [ALICE]
    world.block(facts=(world.deposit_fact(BOB, USDC_1, 100_000 * DOLLAR),))
    refused = world.block(world.trade(buyer, seller, BTC_PERP, 10, ticks))
    assert codes(refused) == [C.COLLATERAL_NEEDED_FOR_MARGIN]
    assert codes(world.block(world.trade(BOB, ALICE, BTC_PERP, 10, 783_000))) == []


def test_a_credited_nonce_is_not_remembered_again() -> None:
    world = World()
    fact = world.deposit_fact(ALICE, USDC_1, DOLLAR)
    world.block(facts=(fact,))
    world.block(facts=(fact,), attesting=2)
    assert not list(world.state.fact_attestations.ordered())


def test_exactly_two_thirds_credit_nothing() -> None:
    world = World()
    said = VoteExtension(facts=(world.deposit_fact(ALICE, USDC_1, DOLLAR),))
    world.apply(msgspec.structs.replace(world.make_block(extensions=[said] * 2), total_power=30))
    assert world.cash(ALICE) == 0


def test_a_chain_is_live_for_exactly_as_long_as_genesis_says() -> None:
    genesis = make_genesis()
    watched = tuple(msgspec.structs.replace(chain, heartbeat_ms_max=3_000) for chain in genesis.chains)
    for after_ms, wanted in ((3_000, []), (3_001, [C.CHAIN_SILENT])):
        world = funded(genesis=msgspec.structs.replace(genesis, chains=watched))
        world.block(facts=(ChainHeartbeat(1, 7, b"\x0b" * 32),))
        assert codes(world.block(world.withdrawal(ALICE, USDC_1, 1), after_ms=after_ms)) == wanted
