"""Terms that come late or change while the page is open: no figure is in units that are not known, none is signed."""

from typing import Any

import pytest

from clearing.schema.terms.margin_calls import CallTerms
from tests.kit.clearing.crisis import leveraged
from tests.kit.clearing.genesis import ALICE, BOB, BTC_FUT, BTC_PERP, USDC_1, USDC_2, WETH_1
from tests.kit.clearing.signer import secret
from tests.kit.member.between_steps import between_steps
from tests.kit.member.driven_page import Step, signed_in, view
from tests.kit.member.page_view import PageView, shown

pytestmark = pytest.mark.usefixtures("built_page")
NEW = {"id": 9, "name": "NEW-PERP", "feed": 9}
HELD = {"/v1/state": ["held"], "/v1/governance/terms": ["held"]}


class Amended:
    """Two amendments: each takes an instrument and a token away, and the first adds an instrument of a new feed."""

    def __init__(self) -> None:
        self.gone: list[tuple[int, int]] = []

    def amend(self) -> None:
        self.gone.append((BTC_FUT, USDC_2) if self.gone else (BTC_PERP, USDC_1))

    def __call__(self, path: str, status: int, value: Any) -> tuple[int, Any]:
        instruments, assets = (list(each) for each in zip(*self.gone, strict=True)) if self.gone else ([], [])
        if path == "/v1/governance/terms":
            left = [each for each in value["instruments"] if each["id"] not in instruments]
            tokens = [each for each in value["assets"] if each["id"] not in assets]
            value |= {"instruments": left + ([NEW] if self.gone else []), "assets": tokens}
        if path == "/v1/state":
            value["assets"] = [each for each in value["assets"] if each["asset"] not in assets]
        return status, value


def test_what_was_chosen_stays_when_the_list_changes_and_a_price_without_a_unit_is_not_signed() -> None:
    amended = Amended()
    chosen: list[Step] = [["choose", f"#{each}-instrument", str(BTC_FUT)] for each in ("t", "if")] + [
        ["choose", "#w-asset", str(USDC_2)]
    ]
    fields = {"#t-other": str(BOB), "#t-lots": "3", "#t-price": "7900"}
    with between_steps(amend=amended.amend) as at:
        amend: list[Step] = [at["amend"], ["pass", 61_000], ["wait", 300], ["settle"]]
        kept: list[Step] = [["value", "#t-instrument"], ["value", "#w-asset"], ["value", "#t-lots"]]
        steps = [*signed_in(ALICE, secret(1)), *chosen, *(["fill", *each] for each in fields.items()), *amend, *kept]
        sign: list[Step] = [["choose", "#t-instrument", "9"], ["click", "text=Sign the proposal"]]
        sign += [["see", ".problem", "unit of the price"], ["count", "#t-proposal"]]
        ask: list[Step] = [
            ["until", "document.querySelector('#if-instrument').value === ''"],
            ["click", "text=Simulate"],
            ["wait", 500],
            ["count", "#simulated"],
        ]
        (scene,) = shown(PageView(), {"clock": True, "steps": [*steps, *sign, *amend, *ask]}, rewrite=amended)
    assert scene.notes[len(steps) - 3 : len(steps)] == [str(BTC_FUT), str(USDC_2), "3"]
    assert scene.notes[len(steps) + 3] == 0
    assert scene.notes[-1] == 0


def test_figures_are_not_read_in_units_that_did_not_come_yet() -> None:
    """12.5 is not 12,500,000, a call with a deadline is no liquidation at once, and what is not known is not none."""

    def rewrite(_path: str, status: int, value: Any) -> tuple[int, Any]:
        if "cash" in value:  # the account, as an answer and as a frame
            value["tokens"] = [{"asset": WETH_1, "name": "WETH-1", "amount_units": "12500000"}]
        return status, value

    rows = "table:has(caption:text('{}')) tbody"
    ladder, tokens = rows.format("Margin ladder"), rows.format("Collateral by chain")
    own = [*signed_in(ALICE, secret(1)), ["text", ladder], ["text", tokens], ["release"]]
    own += [["see", ladder, "have 10 blocks"], ["see", tokens, "12\\.5"]]
    risk: list[Step] = [
        *view("risk")[:1],
        ["see", "text", "Assessments"],
        ["evaluate", "document.querySelectorAll('.amount')[4].textContent"],
    ]
    page_view = PageView(state=leveraged(CallTerms(deadline_blocks=10)).state)
    account, fund = shown(page_view, {"late": HELD, "steps": own}, {"late": HELD, "steps": risk}, rewrite=rewrite)
    assert "at once" not in account.notes[-5]
    assert account.notes[-4].split("\t")[2:] == ["12,500,000 smallest units", "–"]
    assert fund.notes[-1] == "not known yet"


def test_terms_that_were_refused_are_asked_for_again_soon() -> None:
    """They are asked for once a minute; until they come, nothing can be signed."""
    refusals = [429]

    def rewrite(path: str, status: int, value: Any) -> tuple[int, Any]:
        if path == "/v1/governance/terms" and refusals:
            return refusals.pop(), {"code": "R0830", "message": "R0830", "at": "terms", "remedy": "Later."}
        return status, value

    steps: list[Step] = [*signed_in(ALICE, secret(1)), ["see", ".problem", "R0830"], ["pass", 6_000], ["wait", 500]]
    steps += [["settle"], ["count", "#t-instrument"]]
    (scene,) = shown(PageView(), {"clock": True, "steps": steps}, rewrite=rewrite)
    assert scene.notes[-1] == 1
