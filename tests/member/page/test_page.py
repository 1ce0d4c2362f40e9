"""The page shows what the node answers, and nothing else: in a real browser, over a view with known contents."""

import json
from pathlib import Path

import pytest

from clearing.base import eip712, secp256k1
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.requests.trades import Trade
from clearing.schema.requests.withdrawals import Withdrawal
from clearing.schema.terms.margin_calls import CallTerms
from clearing.state.state import State
from member.api.state import Check
from node.api.accounts import account_of, calls_of
from tests.kit.clearing.crisis import FALLEN, leveraged
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, USDC_1
from tests.kit.clearing.signer import secret
from tests.kit.member.driven_page import NARROW, VIEWS, Step, drive, signed_in, view
from tests.kit.member.page_view import PACKAGE, PageView, now_ms, shown
from tests.kit.node.served_api import served_api
from tests.kit.ports import free_port

HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>\u202e"
TO = "0x" + "ab" * 20

pytestmark = pytest.mark.usefixtures("built_page")


def test_each_view_is_accessible_and_fits_a_narrow_screen() -> None:
    steps: list[Step] = [["wait", 300], ["axe"], ["width"]]
    each = [[*view(path), *steps] for path in VIEWS]
    own = [*signed_in(ALICE, secret(1)), *steps]
    narrow = [{"viewport": NARROW, "dark": True, "steps": scene} for scene in (*each, own)]
    for scene in shown(PageView(), *each, own, *narrow):
        findings, beyond = scene.notes[-2:]
        assert [each for each in findings if each["impact"] in ("serious", "critical")] == []
        assert beyond == 0


def test_the_accessibility_check_finds_what_is_planted() -> None:
    planted: Step = ["evaluate", "document.querySelector('main').innerHTML = '<img src=\"data:,\"><input>'"]
    (scene,) = shown(PageView(), [*view("network"), planted, ["axe"]])
    assert {"image-alt", "label"} <= {each["id"] for each in scene.notes[-1]}


def test_prices_and_heights_are_those_of_the_node() -> None:
    (scene,) = shown(
        PageView(), [*view("network"), ["see", "td", "7,900\\.00"], ["text", "#height"], ["text", "#standing"]]
    )
    assert scene.notes[-2:] == ["3", "live height 3"]


def test_numbers_follow_the_reader_s_locale() -> None:
    german = {"locale": "de-DE", "steps": [*view("network"), ["see", "td", "7\\.900,00"], ["count", "td"]]}
    (scene,) = shown(PageView(), german)
    assert scene.notes[-1] > 0


def test_numbers_are_in_the_digits_that_the_page_reads() -> None:
    """Egypt's own digits were mixed with others behind the point, and were refused in fields."""
    shown(PageView(), {"locale": "ar-EG", "steps": [*view("network"), ["see", "td", "7,900\\.00"]]})


def test_each_view_fits_320_pixels_with_text_of_twice_the_size() -> None:
    twice: Step = ["evaluate", "void (document.documentElement.style.fontSize = '200%')"]
    begins = [*(view(path) for path in VIEWS), signed_in(ALICE, secret(1))]
    small = {"width": 320, "height": 640}
    scenes = [{"viewport": small, "steps": [*begin, ["settle"], twice, ["wait", 100], ["width"]]} for begin in begins]
    assert [scene.notes[-1] for scene in shown(PageView(), *scenes)] == [0] * len(scenes)


def test_the_first_view_is_small() -> None:
    (scene,) = shown(PageView(), [*view("network"), ["paint"]])
    assert scene.notes[-1] > 0
    assert sum(size for url, size in scene.bytes.items() if "/page/" in url or url.endswith("/")) < 300_000
    assert not any("worker" in url for url in scene.bytes), "the verifier is loaded when it is needed"


def test_text_that_others_chose_is_only_shown_as_text() -> None:
    hostile = PageView()
    hostile.more_checks = (Check(name=HOSTILE, ok=False, detail=HOSTILE),)
    (scene,) = shown(
        hostile,
        [
            *view("network"),
            ["see", "td", "onerror"],
            ["count", "main img"],
            ["evaluate", "document.title"],
            ["text", "main"],
        ],
    )
    assert scene.notes[-3:-1] == [0, "Network – crossclear"]
    assert "\u202e" not in scene.notes[-1]


def test_the_owner_alone_signs_in_and_the_key_is_nowhere_in_the_page() -> None:
    fields: list[Step] = [["fill", "#account", str(ALICE)], ["fill", "#key", secret(2).hex()], ["click", "button.main"]]
    kept = (
        "JSON.stringify([document.documentElement.outerHTML, {...localStorage}, {...sessionStorage}, document.cookie])"
    )
    out: list[Step] = [["evaluate", kept], ["click", "text=Sign out"], ["see", "h2", "Sign in"], ["value", "#key"]]
    other, own, _ = shown(
        PageView(),
        [*view("account"), *fields, ["see", ".problem", "R08"], ["text", ".problem"]],
        [*signed_in(ALICE, secret(1)), *out],
        [
            *view("account"),
            ["fill", "#account", "1"],
            ["fill", "#key", "zz"],
            ["click", "button.main"],
            ["see", ".problem", "64 hex"],
        ],
    )
    assert other.refused == [f"403 /v1/accounts/{ALICE}"]
    assert secret(1).hex() not in own.notes[-4]
    assert own.notes[-1] == ""


def test_margin_is_explained_and_a_what_if_is_simulated() -> None:
    steps: list[Step] = [
        *signed_in(ALICE, secret(1)),
        ["see", "summary", "group loss"],
        ["choose", "#if-instrument", str(BTC_PERP)],
        ["fill", "#if-lots", "1000000"],
        ["click", "button:has-text('Simulate')"],
        ["see", "#simulated", "would be below"],
        ["click", "button:has-text('Compute')"],
        ["see", "#heat", "−"],
        ["count", "#heat td"],
    ]
    # Groups are those of the newest state, which the page has later than the member's account.
    (scene,) = shown(PageView(), {"late": {"/v1/state": [6_000]}, "steps": steps})
    assert scene.notes[-1] == 27


def test_a_call_is_shown_with_its_time_and_what_is_missing() -> None:
    world = leveraged(CallTerms(deadline_blocks=10))
    world.prices(FALLEN)
    world.block()
    table = "table:has(caption:text('Margin ladder')) tbody"
    steps: list[Step] = [
        *signed_in(ALICE, secret(1)),
        ["see", "#calls", "Margin call"],
        ["text", "#calls"],
        ["text", table],
    ]
    (scene,) = shown(PageView(state=world.state), steps)
    (call,) = calls_of(world.state, ALICE)
    account = account_of(world.state, ALICE)
    assert account is not None
    missing = int(account.initial_margin_micros) - int(account.equity_micros)
    assert f"{missing / 1e6:,.2f}"[:-1] in scene.notes[-2]
    assert f"before height {call.deadline_height}" in scene.notes[-2]
    assert [line.split("\t")[0] for line in scene.notes[-1].splitlines()] == ["Initial margin", "Margin call", "Urgent"]


def test_a_withdrawal_is_signed_by_the_key_and_followed_to_its_block() -> None:
    page_view = PageView()
    form: list[Step] = [["choose", "#w-asset", str(USDC_1)], ["fill", "#w-amount", "12.5"], ["fill", "#w-to", TO]]
    send: list[Step] = [["click", "form:has(#w-to) button"], ["see", "#withdraw-outcome", "Done in block 7"]]
    shown(page_view, [*signed_in(ALICE, secret(1)), *form, *send])
    (request,) = page_view.submitted
    assert isinstance(request, Withdrawal)
    assert (request.account, request.asset, request.units, "0x" + request.to.hex()) == (ALICE, USDC_1, 12_500_000, TO)
    assert recovered(page_view.state, request, request.signature) == secp256k1.address(secret(1))


def test_a_mark_of_thousands_is_not_taken_for_one_of_a_fraction() -> None:
    """1,000 where a point stands before the fraction, and 1.000 where a comma does, are not 1."""
    page_view = PageView()
    steps: list[Step] = [*signed_in(ALICE, secret(1)), ["fill", "#w-to", TO]]
    send: list[Step] = [["click", "form:has(#w-to) button"], ["see", ".problem", "marks of thousands"]]
    for locale, amount in (("en-US", "1,000"), ("de-DE", "1.000")):
        shown(page_view, {"locale": locale, "steps": [*steps, ["fill", "#w-amount", amount], *send]})
    assert page_view.submitted == []
    sent: list[Step] = [["click", "form:has(#w-to) button"], ["see", "#withdraw-outcome", "Done in block 7"]]
    shown(page_view, {"locale": "de-DE", "steps": [*steps, ["fill", "#w-amount", "1,5"], *sent]})
    (request,) = page_view.submitted
    assert isinstance(request, Withdrawal)
    assert request.units == 1_500_000


def test_a_trade_is_proposed_by_one_member_and_confirmed_by_the_other() -> None:
    page_view = PageView()
    fields = {"#t-other": str(BOB), "#t-lots": "3", "#t-price": "7900.5"}
    proposing: list[Step] = [["choose", "#t-instrument", str(BTC_PERP)], *(["fill", *each] for each in fields.items())]
    got = ["value", "#t-proposal"]
    (first,) = shown(page_view, [*signed_in(ALICE, secret(1)), *proposing, ["click", "text=Sign the proposal"], got])
    confirming: list[Step] = [["fill", "#t-confirm", first.notes[-1]], ["click", "form:has(#t-confirm) button"]]
    shown(page_view, [*signed_in(BOB, secret(2)), *confirming, ["see", "#trade-outcome", "Done in block 7"]])
    (trade,) = page_view.submitted
    assert isinstance(trade, Trade)
    assert (trade.buyer, trade.seller, trade.instrument, trade.lots, trade.ticks) == (ALICE, BOB, BTC_PERP, 3, 790_050)
    for signature, member in ((trade.buyer_signature, 1), (trade.seller_signature, 2)):
        assert recovered(page_view.state, trade, signature) == secp256k1.address(secret(member))


def test_nothing_is_signed_before_its_units_are_known() -> None:
    fields = {"#t-other": str(BOB), "#t-lots": "3", "#t-price": "7900"}
    filled: list[Step] = [["fill", *each] for each in fields.items()]
    sign: list[Step] = [["click", "text=Sign the proposal"], ["value", "#t-proposal"]]
    late = {"/v1/governance/terms": [2_000]}
    (scene,) = shown(PageView(), {"late": late, "steps": [*signed_in(ALICE, secret(1)), *filled, *sign]})
    proposal = json.loads(scene.notes[-1])
    assert (proposal["instrument"], proposal["price_ticks"]) == (BTC_PERP, "790000")


def recovered(state: State, request: Transaction, signature: bytes) -> bytes:
    assert isinstance(request, eip712.TypedRequest)
    return secp256k1.recover(request.digest(state.terms.network), signature)


def test_a_package_is_verified_in_the_browser_and_a_changed_one_is_refused() -> None:
    changed = bytearray(PACKAGE)
    changed[-1] ^= 1
    steps: list[Step] = [
        ["fill", "#age", ""],
        ["click", "button[aria-label^='Verify epoch']"],
        ["see", "h2", "VERIFIED"],
    ]
    read: list[Step] = [["text", "h2:has-text('VERIFIED')"], ["text", "#claim"]]
    (good,) = shown(PageView(first=4), [*view("solvency"), *steps, *read])
    (bad,) = shown(PageView([bytes(changed)], first=4), [*view("solvency"), *steps, *read[:1]])
    assert good.notes[-2] == "Epoch 4: VERIFIED IN PART", "no genesis was given"
    assert "accounts meet their maintenance requirement" in good.notes[-1]
    assert bad.notes[-1] == "Epoch 4: NOT VERIFIED"


def test_the_package_of_another_epoch_is_none_of_the_one_that_was_asked_for() -> None:
    """A node that has nothing good to show for an epoch could send an older one, and its own would read VERIFIED."""
    steps: list[Step] = [
        ["fill", "#age", ""],
        ["click", "button[aria-label^='Verify epoch 1']"],
        ["see", ".mark", "package of epoch 4"],
    ]
    (scene,) = shown(PageView(), [*view("solvency"), *steps, ["count", "#claim"]])
    assert scene.notes[-1] == 0


def test_the_page_says_that_the_node_is_gone_and_goes_on_when_it_returns(tmp_path: Path) -> None:
    """The browser loses its network in between: what it asks then does not reach the node."""
    steps: list[Step] = [
        *view("network"),
        ["offline", True],
        ["see", "#standing", "offline"],
        ["text", "#height"],
        ["offline", False],
        ["see", "#standing", "live"],
    ]
    settings = {"port": free_port(), "requests_burst": 100_000}
    with served_api(PageView(), now_ms, **settings) as url:
        (scene,) = drive(url, steps)
    assert scene.notes[-3] == "3", "what was known stays"
