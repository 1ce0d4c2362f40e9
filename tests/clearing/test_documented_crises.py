"""Every example of the pages on the fund, on calls, on liquidation and on governance does what it says there.

A line of an example of calls or liquidations is a verb with its words; what follows `->` is what the receipts of that
block say, in order.
"""

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from clearing.governance import bounds
from clearing.schema.blocks.block import BlockResult
from clearing.schema.blocks.receipt import Refused
from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.liquidation import (
    BackstopTakeover,
    Liquidated,
    LiquidationEnded,
    LiquidationOpened,
    LiquidationStepTaken,
    SliceSold,
)
from clearing.schema.receipts.margin_calls import (
    CallDeadlineSet,
    CallLapsed,
    CallMet,
    EarlyCalled,
    MarginCalled,
    MarginRestored,
)
from clearing.schema.terms.margin_calls import CallTerms, LiquidationTerms
from cli.main import run
from member.printing.network import fund_lines
from node.api.fund import fund_of
from tests.kit.clearing.crisis import leveraged
from tests.kit.clearing.fund import fund_world
from tests.kit.clearing.genesis import ALICE, BOB, CAROL, DOLLAR, HOUSE, USDC_1
from tests.kit.clearing.world import World

NAMES = {HOUSE: "house", ALICE: "alice", BOB: "bob", CAROL: "carol"}
IDS = {name: account for account, name in NAMES.items()}


def money(micros: int) -> str:
    """Dollars and cents; micros that are no cents are shown in full."""
    sign, whole = ("-" if micros < 0 else ""), abs(micros)
    cents = f"{whole // 10**6:,}.{whole % 10**6:06}"
    return sign + (cents[:-4] if cents.endswith("0000") else cents)


def told_of(receipt: object) -> str | None:
    """One receipt in words; None for kinds that these examples are not about."""
    match receipt:
        case MarginCalled():
            return f"called: equity {money(receipt.equity)} below initial {money(receipt.initial)}"
        case MarginRestored():
            return "restored"
        case EarlyCalled():
            chance = f"{receipt.probability_ppm / 10_000:.2f} %"
            return f"early call: a breach by {chance} within the horizon, deadline {receipt.deadline_height}"
        case CallDeadlineSet():
            trigger = money(receipt.trigger)
            return f"equity {money(receipt.equity)} below trigger {trigger}, deadline {receipt.deadline_height}"
        case CallMet():
            return f"{receipt.kind.name.lower()} call met with equity {money(receipt.equity)}"
        case CallLapsed():
            return f"{receipt.kind.name.lower()} call lapsed" + (", urgent" if receipt.urgent else "")
        case LiquidationOpened():
            return f"for sale in blocks {receipt.first_height} to {receipt.last_height}"
        case SliceSold() | BackstopTakeover():
            taker = receipt.bidder if isinstance(receipt, SliceSold) else receipt.backstop
            (taken,), (paid,) = receipt.positions, receipt.paid
            costs = f"discount {money(paid.discount)}, penalty {money(paid.penalty)}"
            return f"{NAMES[taker]} took {taken.lots} of {taken.of_lots} lots, {costs}"
        case LiquidationStepTaken():
            return f"step {receipt.step}: {money(receipt.step_notional)} of {money(receipt.sizing.notional)}"
        case Liquidated():
            (taken,) = receipt.positions
            return f"house took {taken.lots} of {taken.of_lots} lots, penalty {money(receipt.penalty)}"
        case Refused():
            return f"refused: {ClearingCode(receipt.code).name.lower()}"
        case LiquidationEnded():
            return "ended, failed" if receipt.failed else "ended"
    return None


def step(world: World, words: list[str]) -> BlockResult:
    """Carry out one line, which is one block."""
    match words:
        case ["block"]:
            return world.block()
        case ["price", ticks]:
            return world.go(btc=int(ticks.replace(",", "").replace(".", "")))
        case ["deposit", who, dollars]:
            return world.pay_in(IDS[who], int(dollars.replace(",", "")))
        case ["bid", who, "slice", share, "discount", ppm]:
            bid = world.liquidation_bid(
                IDS[who], slice_ppb=int(share.replace(",", "")), discount_ppm=int(ppm.replace(",", ""))
            )
            return world.block(bid)
    raise ValueError(f"not a line of these examples: {' '.join(words)}")


def carried_out(world: World, example: str) -> str:
    """The example again, with what the receipts really say."""
    lines = []
    for line in example.splitlines():
        if line.startswith(" "):
            continue
        result = step(world, line.split())
        lines.append(line)
        lines += [f"    -> {words}" for words in map(told_of, result.receipts) if words is not None]
    return "\n".join(lines) + "\n"


EXPLANATION = Path(__file__).parents[2] / "docs" / "explanation"
PAGES = {name: (EXPLANATION / f"{name}.md").read_text() for name in ("calls", "liquidation", "fund", "governance")}
EXAMPLES = {
    (page, name): lines
    for page, text in PAGES.items()
    for name, lines in re.findall(r"```example (\w+)\n(.*?)```", text, re.DOTALL)
}


@pytest.mark.parametrize(("page", "count"), [("calls", 2), ("liquidation", 1), ("fund", 4), ("governance", 2)])
def test_the_arithmetic_is_what_the_page_prints(page: str, count: int) -> None:
    examples = re.findall(r"```python\n(.*?)```\s*```text\n(.*?)```", PAGES[page], re.DOTALL)
    assert len(examples) == PAGES[page].count("```python") == count
    names: dict[str, object] = {}
    for code, expected in examples:
        printed = StringIO()
        with redirect_stdout(printed):
            exec(code, names)  # noqa: S102 - our own page
        assert [line.rstrip() for line in printed.getvalue().splitlines()] == expected.splitlines()


EARLY = {"deadline_blocks": 3, "early_ppm": 400_000, "early_release_ppm": 250_000, "early_blocks": 5}


def auction() -> World:
    terms = LiquidationTerms(auction_blocks=4, start_ppm=0, end_ppm=9_000, bidder_share_ppm=400_000)
    return leveraged(liquidation=terms)


def backed() -> World:
    terms = LiquidationTerms(backstop_account=CAROL, step_ppm=500_000, whole_notional=3_000 * DOLLAR, cooldown_blocks=1)
    world = leveraged(liquidation=terms)
    world.block(world.withdrawal(CAROL, USDC_1, 99_000 * DOLLAR))
    return world


WORLDS = {
    ("calls", "lapses"): lambda: leveraged(CallTerms(**EARLY)),
    ("calls", "shortened"): lambda: leveraged(CallTerms(**EARLY, early_leaves_blocks=0)),
    ("calls", "met"): lambda: leveraged(CallTerms(**EARLY)),
    ("liquidation", "sale"): auction,
    ("liquidation", "steps"): backed,
}


@pytest.mark.parametrize(("page", "name"), WORLDS)
def test_the_state_machine_does_what_the_page_tells(page: str, name: str) -> None:
    assert carried_out(WORLDS[page, name](), EXAMPLES[page, name]) == EXAMPLES[page, name]


def test_no_example_is_left_out() -> None:
    assert list(EXAMPLES) == list(WORLDS)


@pytest.mark.parametrize(("page", "terms"), [("calls", CallTerms()), ("liquidation", LiquidationTerms())])
def test_every_term_is_told(page: str, terms: CallTerms | LiquidationTerms) -> None:
    assert [field for field in terms.__struct_fields__ if f"`{field}`" not in PAGES[page]] == []


def test_the_command_of_the_fund_prints_what_the_page_shows() -> None:
    world = fund_world()
    world.open_positions()
    world.pass_epoch()
    world.block(world.pay(CAROL, 600 * DOLLAR))
    assert fund_lines(fund_of(world.state)) + "\n" in re.findall(r"```text\n(.*?)```", PAGES["fund"], re.DOTALL)


def test_every_command_on_the_page_of_the_fund_takes_these_options(capsys: pytest.CaptureFixture[str]) -> None:
    commands = re.findall(r"^crossclear (\w+) (\w+)(.*)$", PAGES["fund"], re.MULTILINE)
    assert [each[:2] for each in commands] == [("proof", "fetch"), ("fund", "opening"), ("fund", "verify")]
    for group, verb, rest in commands:
        run([group, verb, "--help"])
        printed = capsys.readouterr().out
        assert all(option in printed for option in re.findall(r"--\w+", rest))


def test_the_codes_and_bounds_that_governance_names_are_those() -> None:
    named = {int(code) for code in re.findall(r"R(\d{4})", PAGES["governance"])}
    assert named - {131, 403} == {int(code) for code in ClearingCode if 469 <= code <= 480} - {472, 474, 477, 478}
    assert (bounds.RANGE_PPM_MIN, bounds.HAIRCUT_PPM_MIN) == (10_000, 5_000)
    assert (bounds.TRADE_FEE_PPM_MAX, bounds.PENALTY_PPM_MAX) == (10_000, 100_000)
    assert (bounds.MAINTENANCE_PPM_MIN, bounds.JOINT_WEIGHT_PPM_MAX) == (500_000, 900_000)
    assert bounds.CRISIS_BLOCKS_MAX == 100_000
