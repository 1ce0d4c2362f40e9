"""The keyboard alone does what the pointer does: each stop is seen, and the place is kept, or is where one goes on.

Rule: nothing here clicks, fills or focuses. All goes by the keys that a person presses.
"""

import pytest

from clearing.schema.requests.trades import Trade
from clearing.schema.requests.withdrawals import Withdrawal
from tests.kit.clearing.genesis import ALICE, BOB
from tests.kit.clearing.signer import secret
from tests.kit.member.driven_page import NARROW, VIEWS, Scene, Step, view
from tests.kit.member.page_view import PageView, shown

pytestmark = pytest.mark.usefixtures("built_page")
TO = "0x" + "ab" * 20
BACK = "Shift+Tab"
WHERE: Step = ["keyboard"]


def unseen(scene: Scene, steps: list[Step]) -> list[str]:
    """Stops on the way at which nobody sees where the keyboard is."""
    return [stop for note, (name, *_) in zip(scene.notes, steps, strict=True) if name == "reach" for stop in note]


def places(scene: Scene, steps: list[Step]) -> list[tuple[str, bool]]:
    """Where the keyboard was when it was asked for, and whether that was seen."""
    return [tuple(note) for note, (name, *_) in zip(scene.notes, steps, strict=True) if name == "keyboard"]


def going_to(path: str, key: str = "Tab") -> list[Step]:
    return [["reach", f"nav a[href='#/{path}']", key], ["press", "Enter"], ["see", "h2", VIEWS[path]], WHERE]


def signing_in(account: int) -> list[Step]:
    """Accounts have the numbers of their keys here. The form is sent by Enter in its last field."""
    return [
        *going_to("account"),
        ["reach", "#account"],
        ["type", str(account)],
        ["reach", "#key"],
        ["type", secret(account).hex()],
        ["press", "Enter"],
        ["see", "#equity", "[0-9]"],
        ["settle"],
        WHERE,
    ]


def test_the_first_stop_leads_past_the_views() -> None:
    steps: list[Step] = [*view("network"), ["reach", "a.skip"], ["press", "Enter"], WHERE]
    (scene,) = shown(PageView(), steps)
    assert (unseen(scene, steps), places(scene, steps)) == ([], [("main", True)])


@pytest.mark.parametrize("size", [{"width": 1200, "height": 900}, NARROW], ids=["wide", "narrow"])
def test_the_keyboard_alone_reaches_every_view(size: dict[str, int]) -> None:
    """Forward to the first, then backward out of each view to the next one; at last to the first stop in a view."""
    first, *others = VIEWS
    steps: list[Step] = [["open", "/#/risk"], ["see", "h2", VIEWS["risk"]], *going_to(first)]
    for path in others:
        steps += going_to(path, BACK)
    steps += [*going_to("account", BACK), ["settle"], ["press", "Tab"], WHERE]
    (scene,) = shown(PageView(), {"viewport": size, "steps": steps})
    assert unseen(scene, steps) == []
    *turned, inside = places(scene, steps)
    assert turned == [("main", True)] * (len(VIEWS) + 1), "one goes on in what came"
    assert inside == ("account", True)


def test_a_member_signs_in_withdraws_and_signs_out_by_the_keyboard_alone() -> None:
    page_view = PageView()
    steps: list[Step] = [["open", "/"], ["see", "h2", VIEWS["network"]], *signing_in(ALICE)]
    steps += [["reach", "#w-asset"], ["press", "ArrowDown"], ["value", "#w-asset"]]
    chosen = len(steps) - 1
    steps += [["reach", "#w-amount"], ["type", "12.5"], ["reach", "#w-to"], ["type", TO]]
    steps += [["reach", "form:has(#w-to) button"], ["press", "Space"], ["see", "#withdraw-outcome", "Done in block 7"]]
    steps += [["settle"], WHERE, ["reach", "p.row button", BACK], ["press", "Enter"], ["see", "h2", "Sign in"], WHERE]
    (scene,) = shown(page_view, steps)
    assert unseen(scene, steps) == []
    to_account, in_account, sent, signed_out = places(scene, steps)
    assert (to_account, in_account, signed_out) == (("main", True),) * 3
    assert sent == ("Sign and submit", True), "the keyboard stays at the button that was pressed"
    (request,) = page_view.submitted
    assert isinstance(request, Withdrawal)
    assert (request.account, str(request.asset), "0x" + request.to.hex()) == (ALICE, scene.notes[chosen], TO)


def test_a_trade_is_proposed_and_confirmed_by_the_keyboard_alone() -> None:
    """The form is sent by Enter in its last field, where the keyboard stays; the text is the second stop from there."""
    page_view = PageView()
    steps: list[Step] = [["open", "/"], ["see", "h2", VIEWS["network"]], *signing_in(ALICE)]
    for field, text in (("#t-other", str(BOB)), ("#t-lots", "3"), ("#t-price", "7900.5")):
        steps += [["reach", field], ["type", text]]
    steps += [["press", "Enter"], ["see", "label", "Send this to the other member"], WHERE]
    steps += [["press", "Tab Tab"], WHERE, ["value", "#t-proposal"]]
    (proposing,) = shown(page_view, steps)
    assert unseen(proposing, steps) == []
    assert places(proposing, steps)[-2:] == [("t-price", True), ("t-proposal", True)]
    steps = [["open", "/"], ["see", "h2", VIEWS["network"]], *signing_in(BOB)]
    steps += [["reach", "#t-confirm"], ["type", proposing.notes[-1]], ["reach", "form:has(#t-confirm) button"]]
    steps += [["press", "Enter"], ["see", "#trade-outcome", "Done in block 7"], WHERE]
    (confirming,) = shown(page_view, steps)
    assert unseen(confirming, steps) == []
    assert places(confirming, steps)[-1] == ("Sign and submit", True)
    (trade,) = page_view.submitted
    assert isinstance(trade, Trade)
    assert (trade.buyer, trade.seller, trade.lots, trade.ticks) == (ALICE, BOB, 3, 790_050)
