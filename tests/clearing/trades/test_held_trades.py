"""Trades that wait for their time: correction, cancellation, give-up, and what becomes of them when it comes."""

import msgspec

from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.trades import (
    PENDING_INDEX,
    PendingTradeCancelled,
    PendingTradeRefused,
    TradeGivenUp,
    TradeNovated,
    TradePending,
)
from clearing.state.export import export_state, import_state
from clearing.state.holdings import current_holdings
from tests.kit.clearing.desk import venue_genesis, venue_world
from tests.kit.clearing.genesis import ALICE, BOB, BTC_FUT, BTC_PERP, CAROL, EXPIRY_MS, SALT
from tests.kit.clearing.requests import PRICE, VENUE
from tests.kit.clearing.world import codes, of_kind

C = ClearingCode
HOUR = 3_600_000


def test_a_held_trade_is_novated_at_its_time_and_not_before() -> None:
    desk = venue_world()
    told = desk.report(ALICE, BOB, hold_ms=10_000)
    (held,) = of_kind(desk.block(told), TradePending)
    assert held.due_ms == told.not_before_ms
    assert not of_kind(desk.block(after_ms=8_999), TradeNovated)
    (novated,) = of_kind(desk.block(after_ms=1), TradeNovated)
    assert novated.index == PENDING_INDEX
    assert desk.lots(ALICE, BTC_PERP) == 10
    assert not list(desk.state.pending_trades.ordered())
    assert not desk.state.pending_by_due_time.get(0)
    assert not desk.state.pending_counts.own_records


def test_no_mix_of_reports_novates_one_trade_twice() -> None:
    desk = venue_world()
    told = desk.report(ALICE, BOB, hold_ms=10_000)
    later = desk.agreed(msgspec.structs.replace(told, not_after_ms=told.not_after_ms + 1), "vbs")
    pair = desk.bilateral(ALICE, BOB, venue_trade_id=50, hold_ms=10_000)
    plain = desk.trade(BOB, ALICE, BTC_PERP, 10, PRICE, trade_id=50, venue=0)
    assert codes(desk.block(told, later, pair, plain)) == [C.TRADE_ALREADY_NOVATED] * 2
    desk.block(after_ms=50_000)
    assert desk.lots(ALICE, BTC_PERP) == 20
    assert codes(desk.block(told, later, pair, plain)) == [C.TRADE_ALREADY_NOVATED] * 4


def test_a_held_pair_is_remembered_beyond_its_not_after() -> None:
    desk = venue_world()
    desk.block(desk.bilateral(ALICE, BOB, venue_trade_id=50, hold_ms=HOUR))
    desk.block(after_ms=120_000)
    again = desk.bilateral(ALICE, BOB, venue_trade_id=50)
    assert codes(desk.block(again)) == [C.TRADE_ALREADY_NOVATED]


def test_a_correction_by_the_venue_or_by_both_sides_replaces_the_terms() -> None:
    desk = venue_world()
    told = desk.report(ALICE, BOB, hold_ms=10_000)
    desk.block(told)
    first = desk.correction(told, lots=20)
    assert codes(desk.block(first, first)) == [C.WRONG_REVISION]
    second = desk.correction(told, 1, "bs", ticks=PRICE + 5, lots=20)
    assert codes(desk.block(second)) == []
    (novated,) = of_kind(desk.block(after_ms=10_000), TradeNovated)
    assert (novated.lots, novated.ticks) == (20, PRICE + 5)


def test_a_correction_by_one_side_alone_is_refused() -> None:
    desk = venue_world()
    told, pair = desk.report(ALICE, CAROL, signers="vbs", hold_ms=10_000), desk.bilateral(ALICE, BOB, hold_ms=10_000)
    desk.block(told, pair)
    wrong = [desk.correction(told, signers=each) for each in ("b", "s", "v", "vb")]
    wrong += [desk.trade_cancellation(told, signers=each) for each in ("b", "s", "v", "vb")]
    expected = [C.WRONG_SIGNER, C.WRONG_SIGNER, C.MANDATE_NEEDED, C.MANDATE_NEEDED] * 2
    assert codes(desk.block(*wrong)) == expected
    assert codes(desk.block(desk.correction(pair, signers="v"))) == [C.UNKNOWN_VENUE]
    assert codes(desk.block(desk.correction(told, signers="vs"), desk.correction(pair, signers="bs"))) == []


def test_a_correction_cannot_exceed_the_mandate_or_hold_for_ever() -> None:
    desk = venue_world()
    worth = 10 * PRICE * 10
    desk.block(desk.mandate(ALICE, lots=30, day=2 * worth))
    told = desk.report(ALICE, BOB, hold_ms=10_000)
    desk.block(told)
    more = [desk.correction(told, lots=each) for each in (31, 21)]
    far = desk.correction(told, not_before_ms=desk.time_ms + 25 * HOUR)
    assert codes(desk.block(*more, far)) == [C.MANDATE_EXCEEDED, C.MANDATE_EXCEEDED, C.HOLD_TOO_LONG]
    assert codes(desk.block(desk.correction(told, lots=20))) == [], "only what is added counts for the day"
    assert desk.state.mandates[(ALICE, VENUE)].used_notional == 2 * worth


def test_a_change_signed_for_a_trade_that_is_gone_changes_no_later_one() -> None:
    """The pair can use its id again only when what it signed for the first trade has expired."""
    desk = venue_world()
    told = desk.bilateral(ALICE, BOB, venue_trade_id=5, hold_ms=30_000, not_after_ms=desk.time_ms + 2_000)
    desk.block(told)
    cancel = desk.trade_cancellation(told, signers="bs", not_after_ms=desk.time_ms + 600_000)
    assert codes(desk.block(cancel)) == []
    desk.block(after_ms=60_000)
    again = desk.bilateral(ALICE, BOB, venue_trade_id=5, hold_ms=30_000)
    assert codes(desk.block(again, cancel)) == [C.TRADE_ALREADY_NOVATED, C.NO_SUCH_HELD_TRADE]
    desk.block(after_ms=541_000)
    later = desk.bilateral(ALICE, BOB, venue_trade_id=5, hold_ms=30_000)
    assert codes(desk.block(later, cancel)) == [C.REQUEST_EXPIRED]
    desk.block(after_ms=700_000)
    assert not list(desk.state.pending_trades.ordered())
    desk.block(after_ms=700_000)
    assert not list(desk.state.novated_trades.ordered())
    assert not desk.state.expiring_trades.own_records


def test_a_venue_can_cancel_when_the_days_limit_is_used_up() -> None:
    desk = venue_world()
    told = desk.report(ALICE, BOB, hold_ms=10_000)
    desk.block(told, desk.mandate(ALICE, day=1))
    assert codes(desk.block(desk.correction(told, lots=11), desk.trade_cancellation(told))) == [C.MANDATE_EXCEEDED]
    assert not list(desk.state.pending_trades.ordered())


def test_a_cancelled_trade_is_gone_and_its_id_stays_used() -> None:
    desk = venue_world()
    told, pair = desk.report(ALICE, BOB, hold_ms=10_000), desk.bilateral(ALICE, BOB, hold_ms=10_000)
    desk.block(told, pair)
    result = desk.block(desk.trade_cancellation(told), desk.trade_cancellation(pair, signers="bs"))
    assert len(of_kind(result, PendingTradeCancelled)) == 2
    assert codes(desk.block(told, pair, desk.trade_cancellation(told))) == [
        C.TRADE_ALREADY_NOVATED,
        C.TRADE_ALREADY_NOVATED,
        C.NO_SUCH_HELD_TRADE,
    ]
    assert not of_kind(desk.block(after_ms=10_000), TradeNovated)


def test_a_side_is_given_up_by_consent_of_both_members() -> None:
    desk = venue_world()
    told = desk.report(ALICE, BOB, hold_ms=10_000)
    desk.block(told)
    good = desk.give_up(told, ALICE, CAROL)
    unasked = desk.sign(good, recipient_signature=desk.key_of(ALICE))
    unwilling = desk.sign(good, signature=desk.key_of(CAROL))
    assert codes(desk.block(unasked, unwilling)) == [C.WRONG_SIGNER] * 2
    assert codes(desk.block(desk.give_up(told, ALICE, BOB), desk.give_up(told, CAROL, 4))) == [
        C.SAME_ACCOUNT,
        C.NO_SUCH_HELD_TRADE,
    ]
    (passed,) = of_kind(desk.block(good), TradeGivenUp)
    assert (passed.account, passed.recipient, passed.revision) == (ALICE, CAROL, 1)
    assert codes(desk.block(good)) == [C.WRONG_REVISION]
    desk.block(after_ms=10_000)
    assert (desk.lots(ALICE, BTC_PERP), desk.lots(CAROL, BTC_PERP), desk.lots(BOB, BTC_PERP)) == (0, 10, -10)


def test_after_a_give_up_the_receiver_is_asked_for_changes() -> None:
    desk = venue_world()
    told = desk.report(ALICE, BOB, hold_ms=10_000)
    desk.block(told, desk.give_up(told, ALICE, CAROL))
    old = desk.trade_cancellation(told, 1, "bs")
    now = msgspec.structs.replace(told, buyer=CAROL)
    assert codes(desk.block(old, desk.trade_cancellation(now, 1, "v"))) == [C.NO_SUCH_HELD_TRADE, C.MANDATE_NEEDED]
    assert codes(desk.block(desk.trade_cancellation(now, 1, "bs"))) == []


def test_a_held_trade_that_lacks_margin_is_tried_again_and_then_dropped() -> None:
    desk = venue_world(venue_genesis(hold_retry_ms=30_000, hold_valid_ms=70_000))
    told = desk.report(ALICE, BOB, 900_000, hold_ms=10_000)
    desk.block(told)
    refusals = []
    for _ in range(12):
        refusals += of_kind(desk.block(after_ms=10_000), PendingTradeRefused)
    assert [each.code for each in refusals] == [C.COLLATERAL_NEEDED_FOR_MARGIN] * 3
    assert [bool(each.next_ms) for each in refusals] == [True, True, False]
    assert not list(desk.state.pending_trades.ordered())


def test_a_held_trade_that_lacks_a_price_is_novated_when_there_is_one() -> None:
    desk = venue_world()
    desk.block(desk.report(ALICE, BOB, hold_ms=10_000))
    (refused,) = of_kind(desk.block(unpriced=(1, 2), after_ms=20_000), PendingTradeRefused)
    assert refused.code == C.PRICE_NOT_OPEN
    assert of_kind(desk.block(after_ms=30_000), TradeNovated)


def test_an_expired_instrument_drops_what_was_held() -> None:
    desk = venue_world()
    ahead = EXPIRY_MS - desk.time_ms
    late = desk.report(ALICE, BOB, instrument=BTC_FUT, hold_ms=ahead + 1)
    assert codes(desk.block(late)) == [C.INSTRUMENT_EXPIRED]
    desk.block(desk.report(ALICE, BOB, instrument=BTC_FUT, hold_ms=ahead - 20_000))
    (refused,) = of_kind(desk.block(after_ms=ahead + 1_000), PendingTradeRefused)
    assert (refused.code, refused.next_ms) == (C.INSTRUMENT_EXPIRED, 0)


def test_held_trades_are_bounded_per_account_and_in_all() -> None:
    desk = venue_world(venue_genesis(held_per_account_max=2, held_max=3))
    reports = [desk.report(ALICE, BOB, 1, hold_ms=HOUR) for _ in range(3)]
    assert codes(desk.block(*reports)) == [C.HELD_TRADES_FULL]
    others = [desk.report(CAROL, 4, 1, signers="vbs", hold_ms=HOUR) for _ in range(2)]
    assert codes(desk.block(*others)) == [C.HELD_TRADES_FULL]
    assert codes(desk.block(desk.give_up(others[0], CAROL, ALICE))) == [C.HELD_TRADES_FULL]
    assert codes(desk.block(desk.report(ALICE, BOB, hold_ms=25 * HOUR))) == [C.HOLD_TOO_LONG]


def test_what_is_held_is_in_the_state_that_is_written_and_read() -> None:
    desk = venue_world()
    held = [desk.report(ALICE, BOB, each, hold_ms=10_000 - each) for each in (1, 2, 3)]
    desk.block(*held, desk.bilateral(BOB, CAROL, hold_ms=10_000))
    desk.block(desk.correction(held[0], lots=7))
    copy = import_state(desk.genesis, SALT, export_state(desk.state))
    assert copy.module_roots() == desk.state.module_roots()
    for name in ("pending_by_due_time", "pending_counts", "day_trade_ids"):
        ours, theirs = (dict(getattr(each, name).ordered()) for each in (desk.state, copy))
        assert ours == theirs, name


def test_margin_is_asked_for_at_novation_not_while_held() -> None:
    desk = venue_world()
    before = current_holdings(desk.state, ALICE)
    assert of_kind(desk.block(desk.report(ALICE, BOB, 900_000, hold_ms=HOUR)), TradePending)
    assert current_holdings(desk.state, ALICE) == before
