"""Who may tell a trade in whose name, and that it is novated once."""

import msgspec
import pytest

from clearing.base.units import DAY_MS
from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.trades import TradeNovated, VenueSwitched
from clearing.schema.transfers import TransferCode
from tests.kit.clearing.desk import matched, venue_genesis, venue_world
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, CAROL, HOUSE
from tests.kit.clearing.requests import NO_VENUE, OTHER_VENUE, PRICE, VENUE, VENUE_SECRETS
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import codes, kinds, of_kind

C = ClearingCode


def test_a_venue_trades_for_those_who_gave_it_a_mandate() -> None:
    desk = venue_world()
    result = desk.block(desk.report(ALICE, BOB))
    (novated,) = of_kind(result, TradeNovated)
    assert (novated.venue, novated.buyer, novated.seller, novated.lots) == (VENUE, ALICE, BOB, 10)
    assert (desk.lots(ALICE, BTC_PERP), desk.lots(BOB, BTC_PERP)) == (10, -10)


def test_without_a_mandate_a_side_must_sign() -> None:
    desk = venue_world()
    assert codes(desk.block(desk.report(ALICE, CAROL))) == [C.MANDATE_NEEDED]
    assert codes(desk.block(desk.report(ALICE, CAROL, signers="vs"))) == []
    assert desk.lots(CAROL, BTC_PERP) == -10


def test_a_trade_in_a_venues_name_needs_the_venues_signature() -> None:
    desk = venue_world()
    both = desk.report(ALICE, BOB, signers="bs")
    plain = desk.trade(ALICE, BOB, BTC_PERP, 10, PRICE, venue=VENUE)
    assert codes(desk.block(both, plain)) == [C.VENUE_SIGNATURE_NEEDED] * 2
    stolen = msgspec.structs.replace(both, venue_signature=both.buyer_signature)
    assert codes(desk.block(stolen)) == [C.WRONG_SIGNER]


def test_members_cannot_use_up_a_venues_trade_id() -> None:
    desk = venue_world()
    squat = [desk.trade(ALICE, CAROL, BTC_PERP, 1, PRICE, trade_id=5, venue=label) for label in (VENUE, 1, NO_VENUE)]
    assert codes(desk.block(*squat)) == [C.VENUE_SIGNATURE_NEEDED]
    assert codes(desk.block(desk.report(ALICE, BOB, venue_trade_id=5))) == []


def test_members_cannot_use_up_a_bilateral_id_of_others() -> None:
    desk = venue_world()
    first = desk.trade(ALICE, CAROL, BTC_PERP, 1, PRICE, trade_id=5)
    second = desk.trade(ALICE, BOB, BTC_PERP, 1, PRICE, trade_id=5)
    again = desk.trade(BOB, ALICE, BTC_PERP, 1, PRICE, trade_id=5)
    assert codes(desk.block(first, second, again)) == [C.TRADE_ALREADY_NOVATED]


def test_a_venues_trade_id_is_good_once_for_ever() -> None:
    desk = venue_world()
    first = desk.report(ALICE, BOB, venue_trade_id=9)
    assert codes(desk.block(first, first)) == [C.TRADE_ALREADY_NOVATED]
    desk.block(after_ms=10 * DAY_MS)
    again = desk.report(ALICE, BOB, venue_trade_id=9)
    assert codes(desk.block(again)) == [C.TRADE_ALREADY_NOVATED]
    desk.block(desk.report(ALICE, BOB, venue_trade_id=2 * 256), desk.report(ALICE, BOB, venue_trade_id=4 * 256))
    assert codes(desk.block(desk.report(ALICE, BOB, venue_trade_id=9))) == [C.TRADE_ID_OUTSIDE_WINDOW]
    assert len(list(desk.state.used_trade_ids.ordered())) == 1, "what is below the window is not remembered"


@pytest.mark.parametrize(("first", "good"), [(767, True), (768, False), (2**63 - 1, False)])
def test_a_venue_cannot_jump_beyond_its_window(first: int, good: bool) -> None:
    desk = venue_world()
    assert codes(desk.block(desk.report(ALICE, BOB, venue_trade_id=first))) == (
        [] if good else [C.TRADE_ID_OUTSIDE_WINDOW]
    )


def test_ids_come_in_any_order_inside_the_window() -> None:
    desk = venue_world()
    for number in (300, 3, 299, 500, 257):
        assert codes(desk.block(desk.report(ALICE, BOB, 1, venue_trade_id=number))) == []
    assert codes(desk.block(desk.report(ALICE, BOB, 1, venue_trade_id=700))) == []
    assert codes(desk.block(desk.report(ALICE, BOB, 1, venue_trade_id=4))) == [C.TRADE_ID_OUTSIDE_WINDOW]


def test_venues_share_no_ids() -> None:
    desk = venue_world()
    other = desk.report(ALICE, BOB, venue=OTHER_VENUE, venue_trade_id=1, signers="vbs")
    assert codes(desk.block(desk.report(ALICE, BOB, venue_trade_id=1), other)) == []


def test_a_refused_report_uses_nothing_up() -> None:
    desk = venue_world()
    huge = desk.report(ALICE, BOB, 900_000, venue_trade_id=1)
    before = desk.state.mandates[(ALICE, VENUE)]
    assert codes(desk.block(huge)) == [C.COLLATERAL_NEEDED_FOR_MARGIN]
    assert desk.state.mandates[(ALICE, VENUE)] == before
    assert codes(desk.block(desk.report(ALICE, BOB, 1, venue_trade_id=1))) == []


@pytest.mark.parametrize(
    ("limits", "lots"),
    [
        ({"lots": 9}, 10),
        ({"notional": 10 * PRICE * 10 - 1}, 10),
        ({"day": 15 * PRICE * 10}, 10),
        ({"expires_ms": 1}, 1),
    ],
)
def test_a_mandate_is_kept_within_its_limits(limits: dict[str, int], lots: int) -> None:
    desk = venue_world()
    desk.block(desk.mandate(ALICE, **limits))
    if "day" in limits:
        assert codes(desk.block(desk.report(ALICE, BOB, lots))) == []
    (code,) = codes(desk.block(desk.report(ALICE, BOB, lots)))
    assert code == (C.MANDATE_NEEDED if "expires_ms" in limits else C.MANDATE_EXCEEDED)
    assert codes(desk.block(desk.report(ALICE, BOB, lots, signers="vb"))) == [], "what a side signs needs no mandate"


def test_the_days_limit_is_new_each_day_and_not_by_a_new_mandate() -> None:
    desk = venue_world()
    worth = 10 * PRICE * 10
    desk.block(desk.mandate(ALICE, day=worth))
    assert codes(desk.block(desk.report(ALICE, BOB))) == []
    desk.block(desk.mandate(ALICE, day=worth))
    assert codes(desk.block(desk.report(ALICE, BOB))) == [C.MANDATE_EXCEEDED]
    desk.block(after_ms=DAY_MS)
    assert codes(desk.block(desk.report(ALICE, BOB))) == []


def test_a_mandate_is_revoked_at_once_and_cannot_be_replayed() -> None:
    desk = venue_world()
    given, revoked = desk.mandate(ALICE), desk.mandate(ALICE, expires_ms=0)
    assert kinds(desk.block(given, revoked))[:2] == ["MandateChanged", "MandateChanged"]
    assert codes(desk.block(given, desk.report(ALICE, BOB))) == [C.NONCE_USED, C.MANDATE_NEEDED]


def test_a_mandate_is_signed_by_the_accounts_member() -> None:
    desk = venue_world(mandates=False)
    forged = desk.sign(desk.mandate(ALICE), signature=VENUE_SECRETS[VENUE])
    assert codes(desk.block(forged)) == [C.WRONG_SIGNER]
    unknown = desk.mandate(ALICE, venue=99)
    assert codes(desk.block(unknown)) == [C.UNKNOWN_VENUE]


def test_a_mandate_is_for_one_venue() -> None:
    desk = venue_world()
    assert codes(desk.block(desk.report(ALICE, BOB, venue=OTHER_VENUE))) == [C.MANDATE_NEEDED]


@pytest.mark.parametrize("moved", [-600_001, 2_001, 3_600_000])
def test_a_trade_is_told_soon_after_it_was_agreed(moved: int) -> None:
    desk = venue_world()
    report = desk.report(ALICE, BOB, traded_ms=desk.time_ms + 1_000 + moved)
    assert codes(desk.block(report)) == [C.TRADE_TIME]


def test_a_venues_band_is_the_narrower_one_and_its_fee_is_paid() -> None:
    desk = venue_world(venue_genesis(band_ppm=1_000, fee_ppm=100))
    assert codes(desk.block(desk.report(ALICE, BOB, ticks=PRICE + 791))) == [C.PRICE_OUTSIDE_BAND]
    house, before = desk.cash(HOUSE), desk.cash(ALICE)
    result = desk.block(desk.report(ALICE, BOB))
    assert [each.amount for each in result.transfers if each.code is TransferCode.VENUE_FEE] == [7_900, 7_900]
    assert (desk.cash(HOUSE) - house, before - desk.cash(ALICE)) == (15_800, 7_900)
    assert codes(desk.block(desk.trade(ALICE, BOB, BTC_PERP, 1, PRICE + 791))) == []


def test_a_suspended_venue_trades_no_more_until_the_house_lets_it() -> None:
    desk = venue_world()
    assert codes(desk.block(desk.switch(secret(ALICE)))) == [C.WRONG_SIGNER]
    stop = desk.switch(VENUE_SECRETS[VENUE])
    assert of_kind(desk.block(stop), VenueSwitched)[0].suspended
    assert codes(desk.block(desk.report(ALICE, BOB), stop)) == [C.VENUE_SUSPENDED, C.WRONG_REVISION]
    own, house = (desk.switch(key, suspended=False, revision=1) for key in (VENUE_SECRETS[VENUE], secret(0)))
    assert codes(desk.block(own, house)) == [C.WRONG_SIGNER]
    assert codes(desk.block(desk.report(ALICE, BOB), stop)) == [C.WRONG_REVISION]


def test_sides_are_two_known_accounts() -> None:
    desk = venue_world()
    told = desk.block(desk.report(ALICE, ALICE), desk.report(ALICE, 999, signers="vb"))
    assert codes(told) == [C.SAME_ACCOUNT, C.UNKNOWN_ACCOUNT]
    assert matched(desk)


def test_a_bilateral_report_is_the_same_trade_as_a_plain_one() -> None:
    desk = venue_world()
    plain = desk.trade(ALICE, BOB, BTC_PERP, 10, PRICE, trade_id=3, venue=NO_VENUE)
    report = desk.bilateral(ALICE, BOB, venue_trade_id=3)
    assert codes(desk.block(plain, report)) == [C.TRADE_ALREADY_NOVATED]
    assert codes(desk.block(msgspec.structs.replace(report, venue_signature=report.buyer_signature))) != []
