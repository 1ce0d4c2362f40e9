"""Trades that a venue or both sides tell: in whose name, once, at once or at their time, and how held ones change."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from clearing.base.units import DAY_MS
from clearing.schema.codes import ClearingCode as C
from clearing.schema.receipts.trades import (
    PENDING_INDEX,
    PendingTradeCancelled,
    PendingTradeRefused,
    TradeGivenUp,
    TradeNovated,
    TradePending,
    VenueSwitched,
)
from clearing.schema.requests.trades import TradeReport
from clearing.schema.transfers import TransferCode
from clearing.state.holdings import current_holdings
from tests.kit.clearing.desk import matched, venue_genesis, venue_world
from tests.kit.clearing.genesis import ALICE, BOB, BTC_FUT, BTC_PERP, CAROL, EXPIRY_MS, HOUSE
from tests.kit.clearing.requests import NO_VENUE, OTHER_VENUE, PRICE, VENUE, VENUE_SECRETS
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import World, kinds, of_kind

HOUR = 3_600_000
WORTH = 10 * PRICE * 10
"""Micros, of ten lots."""


@pytest.fixture
def desk() -> World:
    return venue_world()


def stolen(desk: World) -> TradeReport:
    """The buyer's signature in the place of the venue's."""
    report = desk.report(ALICE, BOB, signers="bs")
    return msgspec.structs.replace(report, venue_signature=report.buyer_signature)


def told_late(moved_ms: int) -> Callable[[World], list[Any]]:
    return lambda desk: [desk.report(ALICE, BOB, traded_ms=desk.time_ms + 1_000 + moved_ms)]


ONE_BLOCK: dict[str, tuple[Callable[[World], list[Any]], list[C]]] = {
    "a_side_without_a_mandate_must_sign": (lambda desk: [desk.report(ALICE, CAROL)], [C.MANDATE_NEEDED]),
    "a_side_that_signs_needs_no_mandate": (lambda desk: [desk.report(ALICE, CAROL, signers="vs")], []),
    "a_mandate_is_for_one_venue": (lambda desk: [desk.report(ALICE, BOB, venue=OTHER_VENUE)], [C.MANDATE_NEEDED]),
    "a_report_in_a_venues_name_needs_the_venues_signature": (
        lambda desk: [desk.report(ALICE, BOB, signers="bs")],
        [C.VENUE_SIGNATURE_NEEDED],
    ),
    "a_trade_in_a_venues_name_needs_the_venues_signature": (
        lambda desk: [desk.trade(ALICE, BOB, BTC_PERP, 10, PRICE, venue=VENUE)],
        [C.VENUE_SIGNATURE_NEEDED],
    ),
    "a_sides_signature_is_not_the_venues": (lambda desk: [stolen(desk)], [C.WRONG_SIGNER]),
    "members_cannot_use_up_a_venues_trade_id": (
        lambda desk: [
            *(desk.trade(ALICE, CAROL, BTC_PERP, 1, PRICE, trade_id=5, venue=label) for label in (VENUE, 1, NO_VENUE)),
            desk.report(ALICE, BOB, venue_trade_id=5),
        ],
        [C.VENUE_SIGNATURE_NEEDED],
    ),
    "members_cannot_use_up_a_bilateral_id_of_others": (
        lambda desk: [
            desk.trade(*sides, BTC_PERP, 1, PRICE, trade_id=5) for sides in ((ALICE, CAROL), (ALICE, BOB), (BOB, ALICE))
        ],
        [C.TRADE_ALREADY_NOVATED],
    ),
    "a_bilateral_report_is_the_same_trade_as_a_plain_one": (
        lambda desk: [
            desk.trade(ALICE, BOB, BTC_PERP, 10, PRICE, trade_id=3, venue=NO_VENUE),
            desk.bilateral(ALICE, BOB, venue_trade_id=3),
        ],
        [C.TRADE_ALREADY_NOVATED],
    ),
    "venues_share_no_ids": (
        lambda desk: [
            desk.report(ALICE, BOB, venue_trade_id=1),
            desk.report(ALICE, BOB, venue=OTHER_VENUE, venue_trade_id=1, signers="vbs"),
        ],
        [],
    ),
    "an_id_at_the_end_of_the_window_is_good": (lambda desk: [desk.report(ALICE, BOB, venue_trade_id=767)], []),
    "a_venue_cannot_jump_beyond_its_window": (
        lambda desk: [desk.report(ALICE, BOB, venue_trade_id=each) for each in (768, 2**63 - 1)],
        [C.TRADE_ID_OUTSIDE_WINDOW] * 2,
    ),
    "a_mandate_is_signed_by_the_accounts_member": (
        lambda desk: [desk.sign(desk.mandate(ALICE), signature=VENUE_SECRETS[VENUE])],
        [C.WRONG_SIGNER],
    ),
    "a_mandate_is_for_a_venue_that_there_is": (lambda desk: [desk.mandate(ALICE, venue=99)], [C.UNKNOWN_VENUE]),
    "a_trade_is_told_within_ten_minutes": (told_late(-600_001), [C.TRADE_TIME]),
    "a_trade_is_not_told_before_it_was_agreed": (told_late(2_001), [C.TRADE_TIME]),
    "a_trade_is_not_told_long_before_it_was_agreed": (told_late(HOUR), [C.TRADE_TIME]),
    "sides_are_two_accounts": (lambda desk: [desk.report(ALICE, ALICE)], [C.SAME_ACCOUNT]),
    "sides_are_known_accounts": (lambda desk: [desk.report(ALICE, 999, signers="vb")], [C.UNKNOWN_ACCOUNT]),
    "a_trade_that_expires_first_is_not_held": (
        lambda desk: [desk.report(ALICE, BOB, instrument=BTC_FUT, hold_ms=EXPIRY_MS - desk.time_ms + 1)],
        [C.INSTRUMENT_EXPIRED],
    ),
    "a_trade_is_held_for_a_day_at_most": (lambda desk: [desk.report(ALICE, BOB, hold_ms=25 * HOUR)], [C.HOLD_TOO_LONG]),
}


@pytest.mark.parametrize(("asked", "refused"), ONE_BLOCK.values(), ids=ONE_BLOCK)
def test_what_is_told_in_one_block(desk: World, asked: Callable[[World], list[Any]], refused: list[C]) -> None:
    assert desk.refused(*asked(desk)) == refused
    assert matched(desk)


def test_a_venue_trades_for_those_who_gave_it_a_mandate(desk: World) -> None:
    (novated,) = of_kind(desk.block(desk.report(ALICE, BOB)), TradeNovated)
    assert (novated.venue, novated.buyer, novated.seller, novated.lots) == (VENUE, ALICE, BOB, 10)
    assert (desk.lots(ALICE, BTC_PERP), desk.lots(BOB, BTC_PERP)) == (10, -10)


def test_a_venues_trade_id_is_good_once_for_ever(desk: World) -> None:
    first = desk.report(ALICE, BOB, venue_trade_id=9)
    assert desk.refused(first, first) == [C.TRADE_ALREADY_NOVATED]
    desk.block(after_ms=10 * DAY_MS)
    assert desk.refused(desk.report(ALICE, BOB, venue_trade_id=9)) == [C.TRADE_ALREADY_NOVATED]
    desk.block(*(desk.report(ALICE, BOB, venue_trade_id=each * 256) for each in (2, 4)))
    assert desk.refused(desk.report(ALICE, BOB, venue_trade_id=9)) == [C.TRADE_ID_OUTSIDE_WINDOW]
    assert len(list(desk.state.used_trade_ids.ordered())) == 1, "what is below the window is not remembered"


def test_ids_come_in_any_order_inside_the_window(desk: World) -> None:
    for number in (300, 3, 299, 500, 257, 700):
        assert desk.refused(desk.report(ALICE, BOB, 1, venue_trade_id=number)) == []
    assert desk.refused(desk.report(ALICE, BOB, 1, venue_trade_id=4)) == [C.TRADE_ID_OUTSIDE_WINDOW]


def test_a_refused_report_uses_nothing_up(desk: World) -> None:
    before = desk.state.mandates[(ALICE, VENUE)]
    assert desk.refused(desk.report(ALICE, BOB, 900_000, venue_trade_id=1)) == [C.COLLATERAL_NEEDED_FOR_MARGIN]
    assert desk.state.mandates[(ALICE, VENUE)] == before
    assert desk.refused(desk.report(ALICE, BOB, 1, venue_trade_id=1)) == []


@pytest.mark.parametrize(
    ("limits", "lots", "refused"),
    [
        ({"lots": 9}, 10, C.MANDATE_EXCEEDED),
        ({"notional": WORTH - 1}, 10, C.MANDATE_EXCEEDED),
        ({"day": WORTH * 3 // 2}, 10, C.MANDATE_EXCEEDED),
        ({"expires_ms": 1}, 1, C.MANDATE_NEEDED),
    ],
)
def test_a_mandate_is_kept_within_its_limits(desk: World, limits: dict[str, int], lots: int, refused: C) -> None:
    desk.block(desk.mandate(ALICE, **limits))
    if "day" in limits:
        assert desk.refused(desk.report(ALICE, BOB, lots)) == []
    assert desk.refused(desk.report(ALICE, BOB, lots)) == [refused]
    assert desk.refused(desk.report(ALICE, BOB, lots, signers="vb")) == [], "what a side signs needs no mandate"


def test_the_days_limit_is_new_each_day_and_not_by_a_new_mandate(desk: World) -> None:
    for refused in ([], [C.MANDATE_EXCEEDED]):
        desk.block(desk.mandate(ALICE, day=WORTH))
        assert desk.refused(desk.report(ALICE, BOB)) == refused
    desk.block(after_ms=DAY_MS)
    assert desk.refused(desk.report(ALICE, BOB)) == []


def test_a_mandate_is_revoked_at_once_and_cannot_be_replayed(desk: World) -> None:
    given, revoked = desk.mandate(ALICE), desk.mandate(ALICE, expires_ms=0)
    assert kinds(desk.block(given, revoked))[:2] == ["MandateChanged", "MandateChanged"]
    assert desk.refused(given, desk.report(ALICE, BOB)) == [C.NONCE_USED, C.MANDATE_NEEDED]


def test_a_venues_band_is_the_narrower_one_and_its_fee_is_paid() -> None:
    desk = venue_world(venue_genesis(band_ppm=1_000, fee_ppm=100))
    assert desk.refused(desk.report(ALICE, BOB, ticks=PRICE + 791)) == [C.PRICE_OUTSIDE_BAND]
    house, before = desk.cash(HOUSE), desk.cash(ALICE)
    result = desk.block(desk.report(ALICE, BOB))
    assert [each.amount for each in result.transfers if each.code is TransferCode.VENUE_FEE] == [7_900, 7_900]
    assert (desk.cash(HOUSE) - house, before - desk.cash(ALICE)) == (15_800, 7_900)
    assert desk.refused(desk.trade(ALICE, BOB, BTC_PERP, 1, PRICE + 791)) == []


def test_a_suspended_venue_trades_no_more_until_the_house_lets_it(desk: World) -> None:
    assert desk.refused(desk.switch(secret(ALICE))) == [C.WRONG_SIGNER]
    stop = desk.switch(VENUE_SECRETS[VENUE])
    assert of_kind(desk.block(stop), VenueSwitched)[0].suspended
    assert desk.refused(desk.report(ALICE, BOB), stop) == [C.VENUE_SUSPENDED, C.WRONG_REVISION]
    own, house = (desk.switch(key, suspended=False, revision=1) for key in (VENUE_SECRETS[VENUE], secret(0)))
    assert desk.refused(own, house) == [C.WRONG_SIGNER]
    assert desk.refused(desk.report(ALICE, BOB), stop) == [C.WRONG_REVISION]


def test_a_bilateral_report_shows_no_venues_signature(desk: World) -> None:
    report = desk.bilateral(ALICE, BOB)
    assert desk.refused(msgspec.structs.replace(report, venue_signature=report.buyer_signature)) != []


def held(**more: Any) -> tuple[World, TradeReport]:
    """A trade of ten lots between Alice and Bob that a venue told, and that waits for ten seconds."""
    desk = venue_world()
    report = desk.report(ALICE, BOB, hold_ms=10_000, **more)
    assert of_kind(desk.block(report), TradePending)[0].due_ms == report.not_before_ms
    return desk, report


def test_a_held_trade_is_novated_at_its_time_and_not_before() -> None:
    desk, _ = held()
    assert not of_kind(desk.block(after_ms=8_999), TradeNovated)
    (novated,) = of_kind(desk.block(after_ms=1), TradeNovated)
    assert (novated.index, desk.lots(ALICE, BTC_PERP)) == (PENDING_INDEX, 10)
    assert not list(desk.state.pending_trades.ordered())
    assert not desk.state.pending_by_due_time.get(0)
    assert not desk.state.pending_counts.own_records


def test_no_mix_of_reports_novates_one_trade_twice(desk: World) -> None:
    first = desk.report(ALICE, BOB, hold_ms=10_000)
    later = desk.agreed(msgspec.structs.replace(first, not_after_ms=first.not_after_ms + 1), "vbs")
    pair = desk.bilateral(ALICE, BOB, venue_trade_id=50, hold_ms=10_000)
    plain = desk.trade(BOB, ALICE, BTC_PERP, 10, PRICE, trade_id=50, venue=0)
    assert desk.refused(first, later, pair, plain) == [C.TRADE_ALREADY_NOVATED] * 2
    desk.block(after_ms=50_000)
    assert desk.lots(ALICE, BTC_PERP) == 20
    assert desk.refused(first, later, pair, plain) == [C.TRADE_ALREADY_NOVATED] * 4


def test_a_held_pair_is_remembered_beyond_its_not_after(desk: World) -> None:
    desk.block(desk.bilateral(ALICE, BOB, venue_trade_id=50, hold_ms=HOUR))
    desk.block(after_ms=120_000)
    assert desk.refused(desk.bilateral(ALICE, BOB, venue_trade_id=50)) == [C.TRADE_ALREADY_NOVATED]


def test_a_correction_by_the_venue_or_by_both_sides_replaces_the_terms() -> None:
    desk, report = held()
    by_venue = desk.correction(report, lots=20)
    assert desk.refused(by_venue, by_venue) == [C.WRONG_REVISION]
    assert desk.refused(desk.correction(report, 1, "bs", ticks=PRICE + 5, lots=20)) == []
    (novated,) = of_kind(desk.block(after_ms=10_000), TradeNovated)
    assert (novated.lots, novated.ticks) == (20, PRICE + 5)


def test_a_correction_by_one_side_alone_is_refused(desk: World) -> None:
    report, pair = desk.report(ALICE, CAROL, signers="vbs", hold_ms=10_000), desk.bilateral(ALICE, BOB, hold_ms=10_000)
    desk.block(report, pair)
    wrong = [change(report, signers=each) for change in (desk.correction, desk.trade_cancellation) for each in SOME]
    assert desk.refused(*wrong) == [C.WRONG_SIGNER, C.WRONG_SIGNER, C.MANDATE_NEEDED, C.MANDATE_NEEDED] * 2
    assert desk.refused(desk.correction(pair, signers="v")) == [C.UNKNOWN_VENUE]
    assert desk.refused(desk.correction(report, signers="vs"), desk.correction(pair, signers="bs")) == []


SOME = ("b", "s", "v", "vb")
"""Signers that are not enough."""


def test_a_correction_cannot_exceed_the_mandate_or_hold_for_ever(desk: World) -> None:
    desk.block(desk.mandate(ALICE, lots=30, day=2 * WORTH))
    report = desk.report(ALICE, BOB, hold_ms=10_000)
    desk.block(report)
    more = [desk.correction(report, lots=each) for each in (31, 21)]
    far = desk.correction(report, not_before_ms=desk.time_ms + 25 * HOUR)
    assert desk.refused(*more, far) == [C.MANDATE_EXCEEDED, C.MANDATE_EXCEEDED, C.HOLD_TOO_LONG]
    assert desk.refused(desk.correction(report, lots=20)) == [], "only what is added counts for the day"
    assert desk.state.mandates[(ALICE, VENUE)].used_notional == 2 * WORTH


def test_a_change_signed_for_a_trade_that_is_gone_changes_no_later_one(desk: World) -> None:
    """The pair can use its id again only when what it signed for the first trade has expired."""
    first = desk.bilateral(ALICE, BOB, venue_trade_id=5, hold_ms=30_000, not_after_ms=desk.time_ms + 2_000)
    desk.block(first)
    cancel = desk.trade_cancellation(first, signers="bs", not_after_ms=desk.time_ms + 600_000)
    assert desk.refused(cancel) == []
    desk.block(after_ms=60_000)
    again = desk.bilateral(ALICE, BOB, venue_trade_id=5, hold_ms=30_000)
    assert desk.refused(again, cancel) == [C.TRADE_ALREADY_NOVATED, C.NO_SUCH_HELD_TRADE]
    desk.block(after_ms=541_000)
    later = desk.bilateral(ALICE, BOB, venue_trade_id=5, hold_ms=30_000)
    assert desk.refused(later, cancel) == [C.REQUEST_EXPIRED]
    desk.block(after_ms=700_000)
    assert not list(desk.state.pending_trades.ordered())
    desk.block(after_ms=700_000)
    assert not list(desk.state.novated_trades.ordered())
    assert not desk.state.expiring_trades.own_records


def test_a_venue_can_cancel_when_the_days_limit_is_used_up() -> None:
    desk, report = held()
    desk.block(desk.mandate(ALICE, day=1))
    assert desk.refused(desk.correction(report, lots=11), desk.trade_cancellation(report)) == [C.MANDATE_EXCEEDED]
    assert not list(desk.state.pending_trades.ordered())


def test_a_cancelled_trade_is_gone_and_its_id_stays_used() -> None:
    desk, report = held()
    pair = desk.bilateral(ALICE, BOB, hold_ms=10_000)
    desk.block(pair)
    result = desk.block(desk.trade_cancellation(report), desk.trade_cancellation(pair, signers="bs"))
    assert len(of_kind(result, PendingTradeCancelled)) == 2
    gone = [C.TRADE_ALREADY_NOVATED, C.TRADE_ALREADY_NOVATED, C.NO_SUCH_HELD_TRADE]
    assert desk.refused(report, pair, desk.trade_cancellation(report)) == gone
    assert not of_kind(desk.block(after_ms=10_000), TradeNovated)


def test_a_side_is_given_up_by_consent_of_both_members() -> None:
    desk, report = held()
    good = desk.give_up(report, ALICE, CAROL)
    unasked = desk.sign(good, recipient_signature=desk.key_of(ALICE))
    unwilling = desk.sign(good, signature=desk.key_of(CAROL))
    wrong = [unasked, unwilling, desk.give_up(report, ALICE, BOB), desk.give_up(report, CAROL, 4)]
    assert desk.refused(*wrong) == [C.WRONG_SIGNER, C.WRONG_SIGNER, C.SAME_ACCOUNT, C.NO_SUCH_HELD_TRADE]
    (given,) = of_kind(desk.block(good), TradeGivenUp)
    assert (given.account, given.recipient, given.revision) == (ALICE, CAROL, 1)
    assert desk.refused(good) == [C.WRONG_REVISION]
    desk.block(after_ms=10_000)
    assert [desk.lots(each, BTC_PERP) for each in (ALICE, CAROL, BOB)] == [0, 10, -10]


def test_after_a_give_up_the_receiver_is_asked_for_changes() -> None:
    desk, report = held()
    desk.block(desk.give_up(report, ALICE, CAROL))
    by_giver, now = desk.trade_cancellation(report, 1, "bs"), msgspec.structs.replace(report, buyer=CAROL)
    assert desk.refused(by_giver, desk.trade_cancellation(now, 1, "v")) == [C.NO_SUCH_HELD_TRADE, C.MANDATE_NEEDED]
    assert desk.refused(desk.trade_cancellation(now, 1, "bs")) == []


def test_a_held_trade_that_lacks_margin_is_tried_again_and_then_dropped() -> None:
    desk = venue_world(venue_genesis(hold_retry_ms=30_000, hold_valid_ms=70_000))
    before = current_holdings(desk.state, ALICE)
    assert of_kind(desk.block(desk.report(ALICE, BOB, 900_000, hold_ms=10_000)), TradePending)
    assert current_holdings(desk.state, ALICE) == before, "margin is asked for at novation, not while held"
    refusals = [each for _ in range(12) for each in of_kind(desk.block(after_ms=10_000), PendingTradeRefused)]
    assert [each.code for each in refusals] == [C.COLLATERAL_NEEDED_FOR_MARGIN] * 3
    assert [bool(each.next_ms) for each in refusals] == [True, True, False]
    assert not list(desk.state.pending_trades.ordered())


def test_a_held_trade_that_lacks_a_price_is_novated_when_there_is_one() -> None:
    desk, _ = held()
    (refused,) = of_kind(desk.block(unpriced=(1, 2), after_ms=20_000), PendingTradeRefused)
    assert refused.code == C.PRICE_NOT_OPEN
    assert of_kind(desk.block(after_ms=30_000), TradeNovated)


def test_an_expired_instrument_drops_what_was_held(desk: World) -> None:
    ahead = EXPIRY_MS - desk.time_ms
    desk.block(desk.report(ALICE, BOB, instrument=BTC_FUT, hold_ms=ahead - 20_000))
    (refused,) = of_kind(desk.block(after_ms=ahead + 1_000), PendingTradeRefused)
    assert (refused.code, refused.next_ms) == (C.INSTRUMENT_EXPIRED, 0)


def test_held_trades_are_bounded_per_account_and_in_all() -> None:
    desk = venue_world(venue_genesis(held_per_account_max=2, held_max=3))
    assert desk.refused(*(desk.report(ALICE, BOB, 1, hold_ms=HOUR) for _ in range(3))) == [C.HELD_TRADES_FULL]
    others = [desk.report(CAROL, 4, 1, signers="vbs", hold_ms=HOUR) for _ in range(2)]
    assert desk.refused(*others) == [C.HELD_TRADES_FULL]
    assert desk.refused(desk.give_up(others[0], CAROL, ALICE)) == [C.HELD_TRADES_FULL]


def test_what_is_held_is_in_the_state_that_is_written_and_read(desk: World) -> None:
    reports = [desk.report(ALICE, BOB, each, hold_ms=10_000 - each) for each in (1, 2, 3)]
    desk.block(*reports, desk.bilateral(BOB, CAROL, hold_ms=10_000))
    desk.block(desk.correction(reports[0], lots=7))
    copy = desk.restored()
    assert copy.module_roots() == desk.state.module_roots()
    for name in ("pending_by_due_time", "pending_counts", "day_trade_ids"):
        ours, theirs = (dict(getattr(each, name).ordered()) for each in (desk.state, copy))
        assert ours == theirs, name
