"""The little table language of the examples about calls and liquidations: what is done, and what is told about it.

A line is a verb with its words; what follows `->` is what the receipts of that block say, in order.
"""

import re
from pathlib import Path

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
from tests.kit.clearing.genesis import ALICE, BOB, CAROL, HOUSE
from tests.kit.clearing.world import World

NAMES = {HOUSE: "house", ALICE: "alice", BOB: "bob", CAROL: "carol"}
IDS = {name: account for account, name in NAMES.items()}
EXPLANATION = Path(__file__).parents[3] / "docs" / "explanation"


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


def example_of(page: str, name: str) -> str:
    """The example of that name on a page."""
    (found,) = re.findall(rf"```example {name}\n(.*?)```", (EXPLANATION / page).read_text(), re.DOTALL)
    return str(found)


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
