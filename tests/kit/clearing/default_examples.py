"""Reads the worked examples of docs/explanation/waterfall.md and drives the state machine through them.

Each line is a verb of the page; what is expected stands last, one line a share: layer, payer, dollars.
"""

import re
from collections.abc import Callable
from pathlib import Path

from clearing.schema.blocks.receipt import Refused
from clearing.schema.receipts.default import DefaultEnded, Deleveraged, LossAllocated, PositionsTornUp, WaterfallLayer
from clearing.schema.terms.default import DefaultTerms
from tests.kit.clearing.defaults import default_world
from tests.kit.clearing.fund import TERMS as FUND
from tests.kit.clearing.funds import DAVE
from tests.kit.clearing.genesis import ALICE, BOB, CAROL, DOLLAR, HOUSE, USDC_1, WETH_1

PAGE = Path(__file__).resolve().parents[3] / "docs" / "explanation" / "waterfall.md"
NAMES = {"house": HOUSE, "alice": ALICE, "bob": BOB, "carol": CAROL, "dave": DAVE}
MEMBERS = {"house": 0, "alice": 1, "bob": 2, "carol": 3, "dave": 4}
LOTS_PER_BTC = 1_000


def examples() -> dict[str, list[list[str]]]:
    """Title of the section to the words of the example's lines."""
    text = PAGE.read_text()
    found = re.findall(r"^### (.+?)$(?:(?!^### ).)*?^```example\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return {title: [line.split() for line in block.splitlines() if line.strip()] for title, block in found}


def number(word: str) -> int:
    """Dollars with up to six decimals, in micros."""
    whole, _, part = word.replace("_", "").partition(".")
    return int(whole) * DOLLAR + int(part.ljust(6, "0") or 0)


class Teller:
    """Carries one example out."""

    def __init__(self, terms: list[str]) -> None:
        given = dict(zip(terms[::2], terms[1::2], strict=True))
        self.world = default_world(
            DefaultTerms(
                enabled=True,
                house_capital_micros=number(given.get("house", "500")),
                assessment_ppm=int(given.get("assessments", "0")) * 10_000,
                assessment_blocks=2,
                auction_blocks=2,
                replenishment_blocks=5,
            ),
            FUND,
            dollars=1_000,
        )
        self.world.fund_paid_in()

    def cash(self, *words: str) -> None:
        for name, dollars in zip(words[::2], words[1::2], strict=True):
            self.world.bring(**{name: number(dollars) // DOLLAR})

    def weth(self, name: str, units: str) -> None:
        self.world.block(facts=[self.world.deposit_fact(NAMES[name], WETH_1, int(units) * 10**18)])

    def trade(self, buyer: str, seller: str, btc: str) -> None:
        done = self.world.block(self.world.perp_trade(NAMES[buyer], NAMES[seller], int(btc) * LOTS_PER_BTC))
        assert not [each for each in done.receipts if isinstance(each, Refused)]

    def price(self, dollars: str) -> None:
        self.world.fall(number(dollars) * 100 // DOLLAR)

    def bid(self, name: str, slices: str, ask: str) -> None:
        done = self.world.block(self.world.default_bid(NAMES[name], 1, int(slices), number(ask)))
        assert not [each for each in done.receipts if isinstance(each, Refused)]

    def withdraw(self, name: str, dollars: str) -> None:
        done = self.world.block(self.world.withdrawal(NAMES[name], USDC_1, number(dollars)))
        assert not [each for each in done.receipts if isinstance(each, Refused)]

    def told(self) -> list[tuple[str, str, int]]:
        """Every share of the loss that is not nothing, in order, and what positions ended."""
        if not self.world.default().ended_height:
            self.world.until_ended()
        members = {id_: name for name, id_ in MEMBERS.items()}
        accounts = {id_: name for name, id_ in NAMES.items()}
        found: list[tuple[str, str, int]] = []
        for result in self.world.results:
            for each in result.receipts:
                if isinstance(each, LossAllocated):
                    for step in each.steps:
                        names = accounts if step.layer in (WaterfallLayer.GAINS, WaterfallLayer.TEAR_UP) else members
                        found += [
                            (step.layer.name, names[share.payer], share.amount) for share in step.shares if share.amount
                        ]
                elif isinstance(each, Deleveraged):
                    found += [
                        ("DELEVERAGED", accounts[account], abs(lots)) for account, *_, lots, _ in each.counterparties
                    ]
                elif isinstance(each, PositionsTornUp):
                    found += [("TORN_UP", accounts[account], abs(lots)) for account, lots, _ in each.positions]
                elif isinstance(each, DefaultEnded) and each.house:
                    found.append(("HOUSE", "house", each.house))
        return found


def carry_out(lines: list[list[str]]) -> tuple[list[tuple[str, str, int]], list[tuple[str, str, int]]]:
    """(what the state machine told, what the page expects)."""
    first, *rest = lines
    assert first[0] == "genesis"
    teller = Teller(first[1:])
    expected: list[tuple[str, str, int]] = []
    for verb, *words in rest:
        if verb.isupper():
            btc = verb in ("DELEVERAGED", "TORN_UP")
            amount = int(words[1]) * LOTS_PER_BTC if btc else number(words[1])
            expected.append((verb, words[0], amount))
        else:
            act: Callable[..., None] = getattr(teller, verb)
            act(*words)
    return teller.told(), expected
