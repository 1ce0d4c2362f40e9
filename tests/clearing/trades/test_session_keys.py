"""Session keys: they sign trades within their limits, until their time, and nothing else."""

from collections.abc import Callable
from typing import Any

import pytest

from clearing.base.secp256k1 import address
from clearing.base.units import DAY_MS
from clearing.schema.codes import ClearingCode as C
from clearing.schema.receipts.trades import SessionKeyChanged, TradeNovated
from clearing.schema.requests.trades import Trade, TradeReport
from clearing.schema.terms.genesis import AccountKind
from clearing.settlement.mark_to_market import traded_notional
from clearing.trades.session_keys import SESSION_KEYS_MAX, SESSION_MS_MAX, session_keys
from tests.kit.clearing.desk import venue_world
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, CAROL, DOLLAR, USDC_1
from tests.kit.clearing.requests import HOUR_MS, PRICE, SESSION_SECRET
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import World, of_kind

OTHER_SECRET = b"\x5f" * 32


@pytest.fixture
def desk() -> World:
    """Alice has a session key."""
    world = venue_world(mandates=False)
    world.block(world.session_key(ALICE))
    return world


def by_session(desk: World, lots: int = 1, seller: int = BOB, key: bytes = SESSION_SECRET, **changes: Any) -> Trade:
    """Alice buys; her session key signs for her."""
    trade = desk.trade(ALICE, seller, BTC_PERP, lots, PRICE, **changes)
    return desk.sign(trade, buyer_signature=key, seller_signature=desk.key_of(seller))


def worth(desk: World, lots: int) -> int:
    return traded_notional(desk.state.terms.instruments[BTC_PERP], lots, PRICE)


def test_a_session_key_signs_a_trade_for_its_account(desk: World) -> None:
    result = desk.block(by_session(desk, 3))
    assert of_kind(result, TradeNovated)
    assert (desk.lots(ALICE, BTC_PERP), desk.lots(BOB, BTC_PERP)) == (3, -3)


def test_a_session_key_signs_what_a_venue_or_both_sides_report(desk: World) -> None:
    for signers in ("vbs", "bs"):
        made = desk.report(ALICE, BOB, signers=signers) if "v" in signers else desk.bilateral(ALICE, BOB)
        keys = {"buyer_signature": SESSION_SECRET, "seller_signature": desk.key_of(BOB)}
        assert desk.refused(desk.sign(made, **keys)) == []
    (limits,) = session_keys(desk.state, ALICE)
    assert limits.used_notional == 2 * worth(desk, 10)


def signed_by_session(desk: World) -> list[Any]:
    """What a thief of the session key would like to sign."""
    held = desk.report(ALICE, BOB, signers="vbs", hold_ms=50_000)
    desk.block(held)
    return [
        desk.withdrawal(ALICE, USDC_1, 1),
        desk.transfer(ALICE, CAROL, 1),
        desk.mandate(ALICE),
        desk.session_key(ALICE, OTHER_SECRET),
        desk.opening(ALICE, AccountKind.CLIENT, 0, bytes(20)),
        desk.order(ALICE, 1, PRICE),
        desk.correction(held, signers="bs"),
        desk.trade_cancellation(held, signers="bs"),
        desk.give_up(held, ALICE, CAROL),
    ]


def test_a_session_key_signs_nothing_but_new_trades(desk: World) -> None:
    requests = signed_by_session(desk)
    assert desk.refused(*requests[:1]) == [], "signed by the member it is good"
    for request in signed_by_session(desk):
        field = "buyer_signature" if hasattr(request, "buyer_signature") else "signature"
        forged = desk.sign(request, **{field: SESSION_SECRET})
        assert desk.refused(forged) == [C.WRONG_SIGNER], type(request).__name__


def test_a_session_key_signs_for_its_own_account_only(desk: World) -> None:
    trade = desk.trade(CAROL, BOB, BTC_PERP, 1, PRICE)
    forged = desk.sign(trade, buyer_signature=SESSION_SECRET, seller_signature=desk.key_of(BOB))
    assert desk.refused(forged) == [C.WRONG_SIGNER]


LIMITS: dict[str, tuple[Callable[[World], dict[str, int]], int, list[C]]] = {
    "as_many_lots_as_one_trade_may_have": (lambda _: {"lots": 5}, 5, []),
    "more_lots_than_one_trade_may_have": (lambda _: {"lots": 5}, 6, [C.SESSION_EXCEEDED]),
    "as_much_as_one_trade_may_be_worth": (lambda desk: {"notional": worth(desk, 5)}, 5, []),
    "more_than_one_trade_may_be_worth": (lambda desk: {"notional": worth(desk, 5) - 1}, 5, [C.SESSION_EXCEEDED]),
    "as_much_as_a_day_may_have": (lambda desk: {"day": worth(desk, 5)}, 5, []),
    "more_than_a_day_may_have": (lambda desk: {"day": worth(desk, 5) - 1}, 5, [C.SESSION_EXCEEDED]),
}


@pytest.mark.parametrize("case", LIMITS)
def test_the_limits_of_a_session_key_hold(desk: World, case: str) -> None:
    limits, lots, refused = LIMITS[case]
    desk.block(desk.session_key(ALICE, **limits(desk)))
    assert desk.refused(by_session(desk, lots)) == refused


def test_a_day_s_limit_is_used_up_and_is_whole_on_the_next_day(desk: World) -> None:
    desk.block(desk.session_key(ALICE, day=worth(desk, 5), expires_ms=desk.time_ms + 2 * DAY_MS))
    assert desk.refused(by_session(desk, 3), by_session(desk, 3), by_session(desk, 2)) == [C.SESSION_EXCEEDED]
    assert desk.lots(ALICE, BTC_PERP) == 5
    desk.block(after_ms=DAY_MS)
    assert desk.refused(by_session(desk, 5)) == []


def test_new_limits_do_not_give_back_what_was_used(desk: World) -> None:
    desk.block(desk.session_key(ALICE, day=worth(desk, 5)))
    assert desk.refused(by_session(desk, 5)) == []
    desk.block(desk.session_key(ALICE, day=worth(desk, 6)))
    assert desk.refused(by_session(desk, 2), by_session(desk, 1)) == [C.SESSION_EXCEEDED]


def test_a_refused_trade_uses_nothing_of_a_limit(desk: World) -> None:
    beyond = 10**5
    assert C.SESSION_EXCEEDED not in desk.refused(by_session(desk, beyond))
    assert desk.lots(ALICE, BTC_PERP) == 0
    assert session_keys(desk.state, ALICE)[0].used_notional == 0


def test_both_sides_may_sign_by_session_keys_with_limits_of_their_own(desk: World) -> None:
    desk.block(desk.session_key(BOB, OTHER_SECRET, lots=2))
    keys = {"buyer_signature": SESSION_SECRET, "seller_signature": OTHER_SECRET}
    small, large = (desk.sign(desk.trade(ALICE, BOB, BTC_PERP, lots, PRICE), **keys) for lots in (2, 3))
    assert desk.refused(small, large) == [C.SESSION_EXCEEDED]
    assert [session_keys(desk.state, each)[0].used_notional for each in (ALICE, BOB)] == [worth(desk, 2)] * 2


def test_a_session_key_is_good_up_to_its_time(desk: World) -> None:
    expires_ms = desk.time_ms + 5_000
    desk.block(desk.session_key(ALICE, expires_ms=expires_ms))
    assert desk.refused(by_session(desk), after_ms=expires_ms - desk.time_ms) == []
    assert desk.time_ms == expires_ms
    assert desk.refused(by_session(desk), after_ms=1) == [C.SESSION_EXPIRED]


def test_a_revoked_session_key_signs_no_more(desk: World) -> None:
    waiting = by_session(desk)
    (changed,) = of_kind(desk.block(desk.session_key(ALICE, expires_ms=0)), SessionKeyChanged)
    assert (changed.account, changed.key, changed.expires_ms) == (ALICE, address(SESSION_SECRET), 0)
    assert desk.refused(waiting) == [C.WRONG_SIGNER]
    assert ALICE not in desk.state.session_keys


def test_a_session_key_is_named_for_thirty_days_at_most(desk: World) -> None:
    latest = desk.time_ms + 1_000 + SESSION_MS_MAX
    assert desk.refused(desk.session_key(ALICE, expires_ms=latest + 1)) == [C.SESSION_TOO_LONG]
    assert desk.refused(desk.session_key(ALICE, expires_ms=latest)) == []


def test_an_account_has_a_few_session_keys_and_expired_ones_make_room(desk: World) -> None:
    more = [bytes([0x60 + number]) * 32 for number in range(SESSION_KEYS_MAX)]
    for key in more[1:]:
        assert desk.refused(desk.session_key(ALICE, key)) == []
    assert desk.refused(desk.session_key(ALICE, more[0])) == [C.SESSION_KEYS_FULL]
    assert desk.refused(desk.session_key(ALICE, lots=7)) == [], "a known one may change"
    keys = [each.key for each in session_keys(desk.state, ALICE)]
    assert len(keys) == SESSION_KEYS_MAX
    assert keys == sorted(keys)
    desk.block(after_ms=HOUR_MS)
    desk.block(after_ms=HOUR_MS)
    assert desk.refused(desk.session_key(ALICE, more[0])) == []
    assert [each.key for each in session_keys(desk.state, ALICE)] == [address(more[0])]


def test_naming_a_session_key_uses_a_nonce_and_works_once(desk: World) -> None:
    named = desk.session_key(ALICE, OTHER_SECRET)
    assert desk.refused(named) == []
    assert desk.refused(desk.session_key(ALICE, OTHER_SECRET, expires_ms=0)) == []
    assert desk.refused(named) == [C.NONCE_USED]


def test_only_the_accounts_member_names_session_keys(desk: World) -> None:
    for key in (secret(BOB), SESSION_SECRET, OTHER_SECRET):
        assert desk.refused(desk.sign(desk.session_key(ALICE, OTHER_SECRET), key)) == [C.WRONG_SIGNER]


def test_the_session_keys_of_a_ported_client_end(desk: World) -> None:
    client = desk.open_account(ALICE, AccountKind.CLIENT)
    desk.block(desk.transfer(ALICE, client, 20_000 * DOLLAR), desk.session_key(client))
    trade = desk.trade(client, BOB, BTC_PERP, 1, PRICE)
    waiting = desk.sign(trade, buyer_signature=SESSION_SECRET, seller_signature=desk.key_of(BOB))
    desk.block(desk.porting(client, CAROL))
    assert client not in desk.state.session_keys
    assert desk.refused(waiting) == [C.WRONG_SIGNER]


def test_reports_of_a_venue_with_a_mandate_leave_session_limits_alone(desk: World) -> None:
    desk.block(desk.mandate(ALICE), desk.mandate(BOB))
    report = desk.report(ALICE, BOB)
    assert isinstance(report, TradeReport)
    assert desk.refused(report) == []
    assert session_keys(desk.state, ALICE)[0].used_notional == 0
