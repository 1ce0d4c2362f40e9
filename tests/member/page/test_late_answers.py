"""What a member reads and signs while answers are under way: the newest question counts, and an act is done once."""

import json
from typing import Any

import pytest

from clearing.base.hashing import keccak256
from clearing.schema.requests.withdrawals import Withdrawal
from tests.kit.clearing.genesis import ALICE, USDC_1, VAULTS
from tests.kit.clearing.signer import secret
from tests.kit.member.driven_page import Step, signed_in, view
from tests.kit.member.page_view import PageView, RisingView, shown

pytestmark = pytest.mark.usefixtures("built_page")
TO = "0x" + "ab" * 20
DEPOSITED = "0x" + keccak256(b"Deposited(uint64,address,uint64,uint256,address,bytes32)").hex()
FOCUSED: Step = ["evaluate", "document.activeElement.id || document.activeElement.textContent"]


def clicked_twice(place: str) -> Step:
    """At once, before anything is drawn."""
    return [
        "evaluate",
        f"(() => {{ const button = document.querySelector(`{place}`); button.click(); button.click(); }})()",
    ]


def test_a_request_is_signed_once_although_its_button_is_clicked_twice_and_an_answer_is_lost() -> None:
    page_view = PageView()
    form: list[Step] = [["choose", "#w-asset", str(USDC_1)], ["fill", "#w-amount", "12.5"], ["fill", "#w-to", TO]]
    steps = [*signed_in(ALICE, secret(1)), *form, clicked_twice("form:has(#w-to) button")]
    done: Step = ["see", "#withdraw-outcome", "Done in block 7"]
    (scene,) = shown(
        page_view, {"late": {"/v1/submit": ["lost", "cut"]}, "steps": [*steps, done, ["settle"], ["text", "main"]]}
    )
    requests = {each.nonce for each in page_view.submitted if isinstance(each, Withdrawal)}
    assert len(requests) == 1
    assert "does not answer" not in scene.notes[-1]


def test_the_newest_question_is_answered_and_no_older_one() -> None:
    """A what-if whose answer comes after that of the next one, and a map of losses of a group that was left."""
    ask: Step = ["click", "button:has-text('Simulate')"]
    compute: list[Step] = [["evaluate", "document.querySelector('#heat-group').focus()"], ["press", "Tab Enter"]]
    steps: list[Step] = [
        *signed_in(ALICE, secret(1)),
        ["see", "#if-instrument", ""],
        ask,
        ["fill", "#if-lots", "1000000"],
        ask,
        ["see", "#simulated", "would be below"],
        ["wait", 3_000],
        ["text", "#simulated"],
        *compute,
        ["see", "#heat", "%"],
        FOCUSED,
        ["choose", "#heat-group", "2"],
        ["wait", 200],
        ["count", "#heat"],
    ]
    (scene,) = shown(PageView(), {"late": {"/v1/accounts/1/margin/simulate": [2_500]}, "steps": steps})
    simulated, *_, focused, _, _, maps = scene.notes[-8:]
    assert "would be below" in simulated
    assert focused == "Compute", "the keyboard stays at the button while it asks"
    assert maps == 0


def test_who_signed_out_is_not_signed_in_by_an_answer_that_was_late() -> None:
    fields: list[Step] = [["fill", "#account", str(ALICE)], ["fill", "#key", secret(1).hex()]]
    out: list[Step] = [["see", "#equity", "[0-9]"], FOCUSED, ["click", "text=Sign out"], ["see", "h2", "Sign in"]]
    steps: list[Step] = [*view("account"), *fields, clicked_twice("button.main"), *out]
    late = {"/v1/accounts/1": [2_500, 0, 0, 0]}
    (scene,) = shown(PageView(), {"late": late, "steps": [*steps, FOCUSED, ["wait", 3_500], ["text", "h2"]]})
    assert scene.notes[-1] == "Sign in"
    assert (scene.notes[-6], scene.notes[-3]) == ("main", "main"), "the keyboard goes on in what came"


def test_a_receipt_that_is_being_read_stays_open_when_another_comes() -> None:
    rising = RisingView()
    row = "[...document.querySelectorAll('tr')].find((row) => row.querySelector('details[open]')).cells[0].innerText"
    steps: list[Step] = [*signed_in(ALICE, secret(1)), ["see", "table:has(caption:text('Receipts')) summary", "[0-9]"]]
    steps += [
        ["click", "table:has(caption:text('Receipts')) summary"],
        ["evaluate", row],
        ["wait", 2_500],
        ["evaluate", row],
    ]
    (scene,) = shown(rising, steps, beside=rising.rising)
    assert scene.notes[-3] == scene.notes[-1]


def test_a_deposit_is_paid_once_and_followed_although_an_answer_is_lost() -> None:
    """By a wallet that agrees to everything, over a chain that has each call in a block at once."""
    noted = {"address": "0x" + VAULTS[1].hex(), "topics": [DEPOSITED, "0x" + f"{1:064x}"]}
    answers = {"eth_requestAccounts": [TO], "eth_call": "0x0", "eth_sendTransaction": "0x1"}
    mined = {"eth_getTransactionReceipt": {"status": "0x1", "logs": [noted]}}
    request = "request({ method }) { this.asked.push(method); return Promise.resolve(this.answers[method] ?? null); }"
    code = f"void (window.ethereum = {{ asked: [], answers: {json.dumps(answers | mined)}, {request} }})"

    def rewrite(path: str, status: int, value: Any) -> tuple[int, Any]:
        return status, value | {"status": "credited"} if path.startswith("/v1/deposits/") else value

    steps: list[Step] = [*view("account"), ["evaluate", code], *signed_in(ALICE, secret(1))[2:]]
    steps += [["fill", "#d-amount", "5"], clicked_twice("form:has(#d-amount) button")]
    steps += [["see", "#deposit-outcome", "credited"], ["evaluate", "window.ethereum.asked"]]
    (scene,) = shown(PageView(), {"late": {"/v1/deposits/": ["lost"]}, "steps": steps}, rewrite=rewrite)
    assert scene.notes[-1].count("eth_sendTransaction") == 2, "an allowance and a payment"


HOLD = """(() => {
  const asked = fetch;
  window.fetch = async (question, options) => {
    if (question.url.endsWith("/v1/accounts/1")) await window.held;
    return asked(question, options);
  };
})()"""
"""Answers about the account come once the promise in `held` is kept."""


def test_who_signed_out_signs_nothing_more() -> None:
    """The nonce of a withdrawal came after its owner had signed out, and its key signed."""
    page_view = PageView()
    steps: list[Step] = [*view("account"), ["evaluate", HOLD], *signed_in(ALICE, secret(1))[2:]]
    steps += [
        ["fill", "#w-amount", "12.5"],
        ["fill", "#w-to", TO],
        ["settle"],
        ["evaluate", "void (window.held = new Promise((keep) => { window.release = keep; }))"],
    ]
    steps += [
        ["click", "form:has(#w-to) button"],
        ["click", "text=Sign out"],
        ["see", "h2", "Sign in"],
        ["evaluate", "release()"],
        ["wait", 2_500],
    ]
    shown(page_view, steps)
    assert page_view.submitted == []
