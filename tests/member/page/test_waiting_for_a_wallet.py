"""A wallet that never answers holds no form: its owner stops waiting, and what it signs later goes nowhere."""

import pytest

from clearing.schema.requests.withdrawals import Withdrawal
from tests.kit.clearing.genesis import ALICE, BOB
from tests.kit.clearing.signer import secret
from tests.kit.member.driven_page import Step, view
from tests.kit.member.page_view import PageView, shown

pytestmark = pytest.mark.usefixtures("built_page")
TO = "0x" + "ab" * 20
SUBMIT = "form:has(#w-to) button[type=submit]"
STOP = "button:has-text('Stop waiting for the wallet')"
FOCUSED: Step = ["evaluate", "document.activeElement.textContent"]


def wallet_of(member: int, *holds: str) -> dict[str, object]:
    """It signs requests of these kinds at the step "release" alone."""
    return {"key": secret(member).hex(), "holds": holds}


def signed_in_by_wallet(account: int) -> list[Step]:
    enter: list[Step] = [["fill", "#account", str(account)], ["click", "text=Sign in with a wallet"]]
    return [*view("account"), *enter, ["see", "#equity", "[0-9]"]]


def signed_late(kind: str) -> list[Step]:
    """The wallet signs what it was asked for before, and the page has time to send it."""
    return [["release"], ["until", f"window.ethereum.signed.includes('{kind}')"], ["settle"]]


def left(kind: str) -> list[Step]:
    """Stop waiting once the wallet is asked for a request of this kind."""
    return [["until", f"window.ethereum.asked.includes('{kind}')"], ["click", STOP]]


WITHDRAW: list[Step] = [["fill", "#w-amount", "12.5"], ["fill", "#w-to", TO], ["click", SUBMIT]]


def test_who_stops_waiting_for_a_wallet_has_the_form_again_and_a_late_signature_goes_nowhere() -> None:
    page_view = PageView()
    steps = [
        *signed_in_by_wallet(ALICE),
        *WITHDRAW,
        ["see", "#withdraw-outcome", "wallet is asked"],
        *left("Withdrawal"),
    ]
    steps += [["see", ".problem", "The wallet may still"], FOCUSED, ["attribute", SUBMIT, "aria-disabled"]]
    steps += [["count", STOP], *signed_late("Withdrawal"), ["text", "#withdraw-outcome"]]
    (scene,) = shown(page_view, {"wallet": wallet_of(1, "Withdrawal"), "steps": steps})
    focused, disabled, offered, *_, outcome = scene.notes[-7:]
    assert (focused, disabled, offered, outcome) == ("Sign and submit", "false", 0, "")
    assert page_view.submitted == []


def test_after_a_signature_that_nobody_waited_for_another_is_made_and_sent() -> None:
    page_view = PageView()
    steps = [*signed_in_by_wallet(ALICE), *WITHDRAW, *left("Withdrawal"), *signed_late("Withdrawal")]
    steps += [["fill", "#w-amount", "7"], ["click", SUBMIT], ["see", "#withdraw-outcome", "Done in block 7"]]
    shown(page_view, {"wallet": wallet_of(1, "Withdrawal"), "steps": steps})
    (request,) = page_view.submitted
    assert isinstance(request, Withdrawal)
    assert request.units == 7_000_000


def test_a_proposal_that_a_wallet_signs_too_late_is_not_shown() -> None:
    fields = {"#t-other": str(BOB), "#t-lots": "3", "#t-price": "7900"}
    steps = [*signed_in_by_wallet(ALICE), *(["fill", *each] for each in fields.items())]
    steps += [["click", "text=Sign the proposal"], *left("Trade"), *signed_late("Trade"), ["count", "#t-proposal"]]
    (scene,) = shown(PageView(), {"wallet": wallet_of(1, "Trade"), "steps": steps})
    assert scene.notes[-1] == 0


def test_what_a_wallet_signs_after_its_owner_signed_out_is_not_sent() -> None:
    page_view = PageView()
    asked: Step = ["until", "window.ethereum.asked.includes('Withdrawal')"]
    steps = [*signed_in_by_wallet(ALICE), *WITHDRAW, asked, ["click", "text=Sign out"]]
    steps += [["see", "h2", "Sign in"], *signed_late("Withdrawal")]
    shown(page_view, {"wallet": wallet_of(1, "Withdrawal"), "steps": steps})
    assert page_view.submitted == []


def test_who_stops_waiting_for_a_payment_is_asked_for_no_other() -> None:
    """A wallet that never lets the vault take the amount, and then does: it is not asked to pay in."""
    code = """void (window.ethereum = {
        asked: [],
        request({ method }) {
            this.asked.push(method);
            if (method === 'eth_requestAccounts') return Promise.resolve(['0x%s']);
            if (method === 'eth_call') return Promise.resolve('0x0');
            if (method !== 'eth_sendTransaction') return Promise.resolve(null);
            return new Promise((send) => { this.agree = () => send('0x1'); });
        },
    })""" % ("ab" * 20)
    fields: list[Step] = [["fill", "#account", str(ALICE)], ["fill", "#key", secret(1).hex()], ["click", "button.main"]]
    steps: list[Step] = [*view("account"), ["evaluate", code], *fields, ["fill", "#d-amount", "5"]]
    steps += [["click", "form:has(#d-amount) button"], ["see", "#deposit-outcome", "let the vault"], ["click", STOP]]
    steps += [["see", ".problem", "may still send"], ["evaluate", "window.ethereum.agree()"], ["settle"]]
    (scene,) = shown(PageView(), [*steps, ["evaluate", "window.ethereum.asked"], ["text", "#deposit-outcome"]])
    assert scene.notes[-2].count("eth_sendTransaction") == 1
    assert scene.notes[-1] == ""
