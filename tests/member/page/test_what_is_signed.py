"""A member reads in plain words what it signs, before it can sign; what the page does not understand is not signed."""

import pytest

from clearing.schema.codes import ClearingCode
from clearing.schema.requests.trades import Trade
from member.client.trade_proposals import LABEL
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, CAROL
from tests.kit.clearing.signer import secret
from tests.kit.member.driven_page import Step, signed_in
from tests.kit.member.page_view import PageView, now_ms, shown
from tests.kit.member.proposals import proposal

pytestmark = pytest.mark.usefixtures("built_page")
BUTTON = "form:has(#t-confirm) button"


def pasted(text: str, words: str) -> list[Step]:
    """Paste a proposal and wait for words about it; then the number of buttons that sign it."""
    return [["fill", "#t-confirm", text], ["see", "#t-read", words], ["count", BUTTON]]


def test_a_pasted_proposal_is_said_in_words_before_it_is_signed() -> None:
    page_view = PageView()
    until_ms = now_ms() + 3_600_000
    steps: list[Step] = [*signed_in(BOB, secret(2)), ["see", "#t-confirm", ""], ["count", BUTTON]]
    steps += pasted(proposal(not_after_ms=until_ms), "You sell 3 lots of BTC-PERP to account 1 at 7,900\\.50 USD")
    steps += [["text", "#t-read"], ["click", BUTTON], ["see", "#trade-outcome", "Done in block 7"]]
    (scene,) = shown(page_view, steps)
    before, *_, buttons, words, _, _ = scene.notes[-7:]
    assert (before, buttons) == (0, 1)
    for each in ("trade", "BTC-PERP", "790,050 ticks", "account 1", "account 2", "has signed", "123", "2,"):
        assert each in words
    (trade,) = page_view.submitted
    assert isinstance(trade, Trade)
    assert (trade.buyer, trade.seller, trade.instrument, trade.lots, trade.ticks) == (ALICE, BOB, BTC_PERP, 3, 790_050)
    assert (trade.venue, trade.venue_trade_id, trade.not_after_ms) == (LABEL, 123, until_ms)


UNREAD: dict[str, tuple[str, str]] = {
    "text": ("buy 3 lots", "no proposal"),
    "another_kind": (proposal(type="withdrawal"), "no proposal"),
    "a_name_that_occurs_twice": (proposal()[:-1] + ',"lots":"300"}', "no proposal"),
    "a_field_that_no_trade_has": (proposal(memo="a gift"), "no field memo"),
    "lots_that_are_no_number": (proposal(lots="3e2"), "lots"),
    "a_signature_of_another_length": (proposal(buyer_signature="0x11"), "signature"),
    "other_accounts": (proposal(seller=CAROL), "other accounts"),
    "an_instrument_that_is_not_listed": (proposal(instrument=77), "not listed"),
    "of_no_lots": (proposal(lots="0"), "R0211"),
    "with_oneself": (proposal(buyer=BOB), "R0212"),
    "not_signed_by_the_other": (proposal(buyer_signature=""), "1 has not signed"),
    "over": (proposal(not_after_ms=1_700_000_000_000), "time is over"),
}


def test_what_the_page_cannot_read_whole_is_not_signed() -> None:
    page_view = PageView()
    steps: list[Step] = [*signed_in(BOB, secret(2)), ["see", "#t-confirm", ""]]
    for text, why in UNREAD.values():
        steps += pasted(text, why)
    (scene,) = shown(page_view, steps)
    assert scene.notes[-3 * len(UNREAD) :][2::3] == [0] * len(UNREAD)
    assert page_view.submitted == []


def test_a_trade_that_every_block_refuses_is_not_signed() -> None:
    """Of no lots, and with oneself."""
    steps: list[Step] = [*signed_in(ALICE, secret(1)), ["fill", "#t-price", "7900"]]
    for other, lots, code in ((BOB, 0, ClearingCode.BAD_SIZE), (ALICE, 3, ClearingCode.SAME_ACCOUNT)):
        steps += [["fill", "#t-other", str(other)], ["fill", "#t-lots", str(lots)], ["click", "text=Sign the proposal"]]
        steps += [["see", ".problem", code.label], ["count", "#t-proposal"]]
    (scene,) = shown(PageView(), steps)
    assert [each for each in scene.notes if each is not None][-2:] == [0, 0]
