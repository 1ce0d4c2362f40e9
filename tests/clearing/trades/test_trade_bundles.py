"""Bundles: several trades signed once, each with the outcome that it would have alone."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.apply_block import apply_block, check_block_structure
from clearing.base.codec import encode
from clearing.base.errors import RemoteFault
from clearing.schema.blocks.transaction import BLOCK_TRADES_MAX, TRANSACTION_BYTES_MAX, trades_asked
from clearing.schema.codes import ClearingCode as C
from clearing.schema.receipts.trades import BundledTradeRefused, TradeNovated
from clearing.schema.requests.trades import BUNDLE_TRADES_MAX, BundledTrade, TradeBundle
from clearing.trades.session_keys import session_keys
from member.explaining.receipt_index import receipt_accounts
from tests.kit.clearing.desk import venue_world
from tests.kit.clearing.genesis import ALICE, BOB, BTC_FUT, BTC_PERP, CAROL, ETH_PERP
from tests.kit.clearing.requests import PRICE, SESSION_SECRET, VENUE
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import World, codes, of_kind

ETH_PRICE = 20_000
LOTS_MAX = 2**63 - 1


@pytest.fixture
def desk() -> World:
    return venue_world(mandates=False)


def test_a_bundle_novates_what_one_side_buys_and_sells(desk: World) -> None:
    bundle = desk.bundle(ALICE, BOB, (BTC_PERP, 3, PRICE), (ETH_PERP, -2, ETH_PRICE), (BTC_PERP, -1, PRICE))
    found = of_kind(desk.block(bundle), TradeNovated)
    assert [(each.buyer, each.seller, each.lots) for each in found] == [
        (ALICE, BOB, 3),
        (BOB, ALICE, 2),
        (BOB, ALICE, 1),
    ]
    assert {each.index for each in found} == {0}
    assert [desk.lots(ALICE, each) for each in (BTC_PERP, ETH_PERP)] == [2, -2]


def test_a_refused_trade_of_a_bundle_has_a_receipt_and_stops_no_other(desk: World) -> None:
    far = PRICE * 2
    trades = [(BTC_PERP, 1, PRICE), (BTC_PERP, 1, far), (99, 1, PRICE), (BTC_PERP, 0, PRICE), (BTC_PERP, 2, PRICE)]
    bundle = desk.bundle(ALICE, BOB, *trades)
    result = desk.block(bundle)
    found = of_kind(result, BundledTradeRefused)
    assert [(each.number, each.code) for each in found] == [
        (1, C.PRICE_OUTSIDE_BAND),
        (2, C.UNKNOWN_INSTRUMENT),
        (3, C.BAD_SIZE),
    ]
    assert [each.venue_trade_id for each in found] == [bundle.trades[number].venue_trade_id for number in (1, 2, 3)]
    assert codes(result) == [], "the bundle itself is not refused"
    assert {receipt_accounts(each) for each in found} == {(ALICE, BOB)}, "both sides may read it"
    assert desk.lots(ALICE, BTC_PERP) == 3


trade_lines = st.lists(
    st.tuples(
        st.integers(1, 12),
        st.sampled_from([(BTC_PERP, PRICE), (ETH_PERP, ETH_PRICE), (BTC_FUT, PRICE), (BTC_PERP, 2 * PRICE), (77, 5)]),
        st.one_of(st.integers(-4, 4), st.sampled_from([-(2**63), LOTS_MAX, 900, -900, 20_000])),
    ),
    min_size=1,
    max_size=BUNDLE_TRADES_MAX,
)


@settings(max_examples=60, deadline=None)
@given(lines=trade_lines, by_session=st.booleans(), known=st.integers(0, 3))
def test_a_bundle_leaves_the_state_that_its_trades_would_leave_alone(
    lines: list[tuple[int, tuple[int, int], int]], by_session: bool, known: int
) -> None:
    desk = venue_world(mandates=False, dollars=60_000)
    desk.block(desk.session_key(ALICE, lots=800, day=2**40))
    key = SESSION_SECRET if by_session else desk.key_of(ALICE)
    trades = [(instrument, lots, ticks) for _, (instrument, ticks), lots in lines]
    bundle = desk.bundle(ALICE, BOB, *trades, ids=[number for number, _, _ in lines], keys=(key, None))
    alone = []
    for number, (instrument, ticks), lots in lines:
        buyer, seller = (ALICE, BOB) if lots > 0 else (BOB, ALICE)
        size = min(abs(lots), LOTS_MAX)  # 2**63 lots have no single form, and are too many as well
        signs = {ALICE: key, BOB: desk.key_of(BOB)}
        bare = desk.trade(buyer, seller, instrument, size, ticks, trade_id=number)
        alone.append(desk.sign(bare, buyer_signature=signs[buyer], seller_signature=signs[seller]))
    desk.block(*alone[:known])
    block = desk.make_block()
    ends = [
        apply_block(desk.state, msgspec.structs.replace(block, transactions=each)) for each in ((bundle,), tuple(alone))
    ]
    together, apart = (result for _, result in ends)
    assert together.module_roots == apart.module_roots
    assert together.transfers == apart.transfers
    refused = [each.code for each in of_kind(together, BundledTradeRefused)] or codes(together) * len(lines)
    assert refused == codes(apart)
    assert len(of_kind(together, TradeNovated)) == len(of_kind(apart, TradeNovated))


def test_a_bundle_is_good_once(desk: World) -> None:
    bundle = desk.bundle(ALICE, BOB, (BTC_PERP, 1, PRICE), (BTC_PERP, 2, PRICE))
    assert desk.refused(bundle, bundle) == [C.TRADE_ALREADY_NOVATED]
    assert desk.lots(ALICE, BTC_PERP) == 3


def test_a_trade_is_novated_once_in_bundles_and_alone(desk: World) -> None:
    alone = desk.trade(BOB, ALICE, BTC_PERP, 1, PRICE, trade_id=7)
    bundle = desk.bundle(ALICE, BOB, (BTC_PERP, 1, PRICE), (BTC_PERP, 1, PRICE), (BTC_PERP, 1, PRICE), ids=[7, 8, 8])
    result = desk.block(alone, bundle)
    assert [(each.number, each.code) for each in of_kind(result, BundledTradeRefused)] == [
        (0, C.TRADE_ALREADY_NOVATED),
        (2, C.TRADE_ALREADY_NOVATED),
    ]
    assert desk.lots(ALICE, BTC_PERP) == 0


def test_what_a_bundle_failed_to_novate_may_come_again_until_its_time(desk: World) -> None:
    """As a `Trade` may: refused trades use up nothing."""
    bundle = desk.bundle(ALICE, BOB, (BTC_PERP, 1, PRICE), (BTC_PERP, 1, 2 * PRICE))
    assert len(of_kind(desk.block(bundle), BundledTradeRefused)) == 1
    result = desk.block(bundle)
    assert [each.code for each in of_kind(result, BundledTradeRefused)] == [
        C.TRADE_ALREADY_NOVATED,
        C.PRICE_OUTSIDE_BAND,
    ]
    assert desk.lots(ALICE, BTC_PERP) == 1


WHOLE = {
    "another_signs_for_a_side": (lambda desk: desk.bundle(ALICE, BOB, ONE, keys=(secret(CAROL), None)), C.WRONG_SIGNER),
    "another_signs_for_the_other": (
        lambda desk: desk.bundle(ALICE, BOB, ONE, keys=(None, secret(CAROL))),
        C.WRONG_SIGNER,
    ),
    "a_side_is_nobody": (lambda desk: desk.bundle(ALICE, 999, ONE, keys=(None, secret(1))), C.UNKNOWN_ACCOUNT),
    "sides_are_one": (lambda desk: desk.bundle(ALICE, ALICE, ONE), C.SAME_ACCOUNT),
    "its_time_is_over": (lambda desk: desk.bundle(ALICE, BOB, ONE, not_after_ms=desk.time_ms), C.REQUEST_EXPIRED),
    "its_time_is_far": (
        lambda desk: desk.bundle(ALICE, BOB, ONE, not_after_ms=desk.time_ms + 700_000),
        C.REQUEST_TOO_FAR_AHEAD,
    ),
    "its_label_is_a_venues": (lambda desk: desk.bundle(ALICE, BOB, ONE, venue=VENUE), C.VENUE_SIGNATURE_NEEDED),
}
ONE = (BTC_PERP, 1, PRICE)


@pytest.mark.parametrize("case", WHOLE)
def test_a_bundle_is_refused_as_a_whole_where(desk: World, case: str) -> None:
    made, code = WHOLE[case]
    before = desk.state.module_roots()
    bundle = made(desk)
    result = desk.block(bundle)
    assert codes(result) == [code]
    assert not of_kind(result, TradeNovated)
    assert desk.lots(ALICE, BTC_PERP) == 0
    assert desk.state.module_roots()[1] == before[1]


def test_a_line_cannot_be_moved_changed_or_left_out_after_signing(desk: World) -> None:
    bundle = desk.bundle(ALICE, BOB, (BTC_PERP, 1, PRICE), (BTC_PERP, 2, PRICE))
    first, second = bundle.trades
    for trades in ((second, first), (first,), (first, first), (msgspec.structs.replace(first, lots=-1), second)):
        assert desk.refused(msgspec.structs.replace(bundle, trades=trades)) == [C.WRONG_SIGNER]


def test_sides_cannot_be_swapped_after_signing(desk: World) -> None:
    bundle = desk.bundle(ALICE, BOB, ONE)
    swapped = msgspec.structs.replace(
        bundle,
        account=BOB,
        counterparty=ALICE,
        signature=bundle.counterparty_signature,
        counterparty_signature=bundle.signature,
    )
    assert desk.refused(swapped) == [C.WRONG_SIGNER]


def test_a_session_key_signs_a_bundle_as_far_as_its_limits_go(desk: World) -> None:
    desk.block(desk.session_key(ALICE, lots=2))
    bundle = desk.bundle(ALICE, BOB, (BTC_PERP, 2, PRICE), (BTC_PERP, 3, PRICE), ONE, keys=(SESSION_SECRET, None))
    result = desk.block(bundle)
    assert [(each.number, each.code) for each in of_kind(result, BundledTradeRefused)] == [(1, C.SESSION_EXCEEDED)]
    assert desk.lots(ALICE, BTC_PERP) == 3
    assert session_keys(desk.state, ALICE)[0].used_notional


def test_the_longest_bundle_fits_a_transaction() -> None:
    line = BundledTrade(2**63 - 1, 2**32 - 1, -(2**63), 2**63 - 1)
    longest = TradeBundle(
        2**63 - 1, 2**63 - 1, 2**63 - 1, (line,) * BUNDLE_TRADES_MAX, 2**63 - 1, b"\xff" * 65, b"\xff" * 65
    )
    assert len(encode((longest,))) <= TRANSACTION_BYTES_MAX
    assert trades_asked(longest) == BUNDLE_TRADES_MAX


def test_a_block_asks_for_no_more_trades_than_may_be(desk: World) -> None:
    bundle = desk.bundle(ALICE, BOB, *[ONE] * BUNDLE_TRADES_MAX)
    rest = BLOCK_TRADES_MAX % BUNDLE_TRADES_MAX
    full = (bundle,) * (BLOCK_TRADES_MAX // BUNDLE_TRADES_MAX) + (desk.trade(ALICE, BOB, *ONE),) * rest
    block = msgspec.structs.replace(desk.make_block(), transactions=full)
    check_block_structure(desk.state, block)
    with pytest.raises(RemoteFault) as caught:
        check_block_structure(desk.state, msgspec.structs.replace(block, transactions=(*full, bundle)))
    assert caught.value.code is C.BAD_BLOCK
