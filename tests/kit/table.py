"""The table language of the tests: a story of clearing, a line an event, and behind the arrow what comes of it.

    deposit   alice  eth:USDC      20_000.00        -> credited
    trade     alice  bob  BTC-PERP +2 @ 7_900       -> novated
    price     BTC    7_250                          -> applied, margin_called account alice
    margin    alice  initial 4_800.00  equity 8_000.00
    withdraw  alice  eth:USDC       5_000.00        -> refused R0203 collateral_needed_for_margin

Every event is a block of its own; one behind `&` belongs to the block of the line above. An outcome is a receipt of the
block: a short name of OUTCOMES or its class in lower case, then fields and their values. Each takes a receipt of its
own, in order. `nothing`: none but those of prices. `no NAME`: none
of that kind in any block of the line. `one NAME …`: this one alone of its kind. Lines of
STATE make no block.

Rule: a word that is not understood and an outcome that did not come end the story with the line and what came instead.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from clearing.schema.blocks.block import BlockResult
from clearing.schema.blocks.receipt import Refused
from clearing.schema.codes import ClearingCode
from tests.kit.clearing.funds import NAMED
from tests.kit.clearing.genesis import DOLLAR
from tests.kit.clearing.world import World

CHAINS = {"eth": 1, "base": 2}
TICKS = {"BTC": 100, "ETH": 100, "USDC": 1_000_000, "STETH": 1_000_000}
"""Ticks in 1: cents, and millionths of what a token is worth."""
OUTCOMES = {
    "credited": "DepositCredited",
    "novated": "TradeNovated",
    "applied": "PriceApplied",
    "transferred": "CashTransferred",
    "released": "WithdrawalReleased",
    "delayed": "WithdrawalDelayed",
    "refunded": "WithdrawalRefunded",
    "paid": "FundPaid",
}

PRICES = {"PriceApplied", "FeedStatusChanged", "Marked"}
"""Receipts of what every block does."""


class StoryError(AssertionError):
    """A line that is not understood, or that did not come true."""


@dataclass
class Line:
    """One line: its words in front of the arrow, and the outcomes behind it."""

    number: int
    text: str
    words: list[str] = field(init=False)
    outcomes: list[str] = field(init=False)
    joined: bool = field(init=False)

    def __post_init__(self) -> None:
        before, _, after = self.text.partition("->")
        self.joined = before.startswith("&")
        self.words = before.removeprefix("&").split()
        self.outcomes = [each.strip() for each in after.split(",") if each.strip()]

    def fail(self, why: str) -> StoryError:
        return StoryError(f"line {self.number}: {self.text}\n    {why}")


def lines_of(story: str) -> Iterator[Line]:
    """Lines that say something; what follows `#` is for readers."""
    for number, text in enumerate(story.splitlines(), 1):
        said = text.partition("#")[0].strip()
        if said:
            yield Line(number, said)


def tell(world: World, story: str) -> World:
    """Play a story on a world and check all that it says. Raises StoryError."""
    block: list[Line] = []
    for line in [*lines_of(story), None]:
        if line is not None and line.joined and block:
            block.append(line)
            continue
        if block:
            _play(world, block)
        block = []
        if line is not None and line.words[0] in STATE:
            _check_state(world, line)
        elif line is not None:
            block = [line]
    return world


def _play(world: World, lines: Sequence[Line]) -> None:
    """One block, or as many as a line of waiting says."""
    parts: dict[str, list[Any]] = {"transactions": [], "facts": [], "prices": []}
    first = len(world.results)
    for line in lines:
        try:
            if line.words[0] in WAITS:
                WAITS[line.words[0]](world, *line.words[1:])
            else:
                kind, made = EVENTS[line.words[0]](world, *line.words[1:])
                parts[kind] += made
        except (KeyError, ValueError, TypeError, IndexError) as error:
            raise line.fail(f"not understood: {type(error).__name__} {error}") from error
    if any(parts.values()):
        world.block(*parts["transactions"], facts=parts["facts"], prices=parts["prices"])
    left = list(world.results[-1].receipts)
    for line in lines:
        for outcome in line.outcomes:
            _take(line, outcome, left, world.results[first:])


def _take(line: Line, outcome: str, left: list[Any], results: Sequence[BlockResult]) -> None:
    """Take the receipt that an outcome names out of those that are left."""
    words = outcome.split()
    receipts = [each for result in results for each in result.receipts]
    came = "; ".join(_shown(each) for each in receipts if type(each).__name__ not in PRICES) or "nothing"
    if words == ["nothing"]:
        if came != "nothing":
            raise line.fail(f"came: {came}")
        return
    if words[0] == "no":
        if any(type(each).__name__ == _class_name(words[1]) for each in receipts):
            raise line.fail(f"came: {came}")
        return
    if words[0] == "one":
        words = words[1:]
        if [type(each).__name__ for each in receipts].count(_class_name(words[0])) != 1:
            raise line.fail(f"{outcome} did not come; came: {came}")
    for at, each in enumerate(left):
        if _is(each, words):
            del left[at]
            return
    raise line.fail(f"{outcome} did not come; came: {came}")


def _is(receipt: Any, words: Sequence[str]) -> bool:
    if words[0] == "refused":
        return isinstance(receipt, Refused) and words[1:] == _label(receipt.code).split()[: len(words) - 1]
    if type(receipt).__name__ != _class_name(words[0]):
        return False
    pairs = zip(words[1::2], words[2::2], strict=True)
    return all(_same(getattr(receipt, name), value) for name, value in pairs)


def _label(code: int) -> str:
    """`R0203 collateral_needed_for_margin`."""
    return f"{ClearingCode(code).label} {ClearingCode(code).name.lower()}"


def _class_name(word: str) -> str:
    return OUTCOMES.get(word) or "".join(part.capitalize() for part in word.split("_"))


def _same(found: Any, word: str) -> bool:
    if word in NAMED:
        return bool(found == NAMED[word])
    if re.fullmatch(r"[A-Z_]+", word):
        return getattr(found, "name", None) == word
    if word in ("yes", "no"):
        return found is (word == "yes")
    return bool(found == (dollars(word) if "." in word else int(word)))


def _shown(receipt: Any) -> str:
    if isinstance(receipt, Refused):
        return f"refused {_label(receipt.code)}"
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(receipt).__name__).lower()
    return next((short for short, long in OUTCOMES.items() if long == type(receipt).__name__), name)


def _check_state(world: World, line: Line) -> None:
    try:
        found = STATE[line.words[0]](world, *line.words[1:])
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise line.fail(f"not understood: {type(error).__name__} {error}") from error
    wrong = {name: got for name, (expected, got) in found.items() if got != expected}
    if wrong:
        raise line.fail("is: " + ", ".join(f"{name} {got}" for name, got in wrong.items()))


def amount(word: str, unit: int | Fraction) -> int:
    """A decimal number in units. Raises ValueError when it is no whole number of them."""
    scaled = Fraction(word.replace("_", "")) * unit
    if scaled.denominator != 1:
        raise ValueError(f"{word} is no whole number of units")
    return int(scaled)


def dollars(word: str) -> int:
    return amount(word, DOLLAR)


def token(world: World, word: str) -> Any:
    """`eth:USDC`: the asset of this chain with this name."""
    chain, _, name = word.partition(":")
    (found,) = [
        each
        for each in world.state.terms.assets.values()
        if each.chain_id == CHAINS[chain] and each.name.partition("-")[0] == name
    ]
    return found


def _instrument(world: World, name: str) -> Any:
    (found,) = [each for each in world.state.terms.instruments.values() if each.name == name]
    return found


def lots(instrument: Any, word: str) -> int:
    """`+2`: of the underlying."""
    return amount(word, Fraction(10_000, instrument.micros_per_tick))


def _deposit(world: World, account: str, name: str, much: str) -> tuple[str, list[Any]]:
    asset = token(world, name)
    units = amount(much, 10**asset.unit_decimals)
    return "facts", [world.deposit_fact(NAMED[account], asset.id, asset.to_amount(units))]


def _trade(
    world: World, first: str, second: str, name: str, size: str, at: str, price: str, *terms: str
) -> tuple[str, list[Any]]:
    """`terms`: names and numbers of other fields, as `venue_trade_id 7`."""
    if at != "@":
        raise ValueError("a price stands behind @")
    instrument = _instrument(world, name)
    count, more = lots(instrument, size), {key: int(value) for key, value in zip(terms[::2], terms[1::2], strict=True)}
    buyer, seller = (first, second) if count > 0 else (second, first)
    fields = (NAMED[buyer], NAMED[seller], instrument.id, abs(count), amount(price, TICKS["BTC"]))
    return "transactions", [world.trade(*fields, **more)]


def _price(world: World, *words: str) -> tuple[str, list[Any]]:
    """Of some feeds; the others' stay as they were reported last."""
    for name, price in zip(words[::2], words[1::2], strict=True):
        (feed,) = [each.id for each in world.genesis.feeds if re.match(rf"{name}(?![A-Z])", each.name)]
        world.ticks[feed] = amount(price, TICKS[name])
    return "prices", list(world.ticks.items())


def _withdraw(world: World, account: str, name: str, much: str) -> tuple[str, list[Any]]:
    asset = token(world, name)
    return "transactions", [world.withdrawal(NAMED[account], asset.id, amount(much, 10**asset.unit_decimals))]


def _margin(world: World, account: str, *words: str) -> dict[str, tuple[Any, Any]]:
    margin = world.margin(NAMED[account])
    return {name: (dollars(value), getattr(margin, name)) for name, value in zip(words[::2], words[1::2], strict=True)}


def _wait(world: World, count: str) -> None:
    """Blocks in which nobody does anything; what comes is looked for in the last."""
    for _ in range(int(count)):
        world.block()


EVENTS: dict[str, Callable[..., tuple[str, list[Any]]]] = {
    "deposit": _deposit,
    "trade": _trade,
    "price": _price,
    "withdraw": _withdraw,
    "transfer": lambda world, account, recipient, much: (
        "transactions",
        [world.transfer(NAMED[account], NAMED[recipient], dollars(much))],
    ),
    "cancel": lambda world, account, number: (
        "transactions",
        [world.withdrawal_cancellation(NAMED[account], int(number))],
    ),
    "pay": lambda world, account, much: ("transactions", [world.pay(NAMED[account], dollars(much))]),
}
WAITS: dict[str, Callable[..., object]] = {"wait": _wait, "epoch": lambda world: world.pass_epoch()}
STATE: dict[str, Callable[..., dict[str, tuple[Any, Any]]]] = {
    "margin": _margin,
    "cash": lambda world, account, much: {"cash": (dollars(much), world.cash(NAMED[account]))},
    "fund": lambda world, much: {"fund": (dollars(much), world.fund)},
    "tokens": lambda world, account, name, much: {
        "tokens": (
            amount(much, 10 ** token(world, name).unit_decimals),
            world.units(NAMED[account], token(world, name).id),
        )
    },
    "position": lambda world, account, name, size: {
        "lots": (lots(_instrument(world, name), size), world.lots(NAMED[account], _instrument(world, name).id))
    },
    "status": lambda world, member, name: {"status": (name, world.status(int(member)).name.lower())},
}
