"""The risk parameters that a network begins with: `configs/risk/default.toml`, typed, and in blocks of another length.

Rule: a replay with longer blocks gives everything at least the time that the file gives. An auction's discount is then
that at the end of each longer block, because bids come during it.
"""

import re
import tomllib
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from clearing.base.errors import LocalFault
from clearing.liquidation.auction import auction_discount_ppm
from clearing.schema.risk.parameters import StressScenario
from clearing.schema.risk.price_ranges import RangeParameters
from clearing.schema.terms.genesis import CrisisParameters, crisis_checks
from clearing.schema.terms.prices import FundingTerms, check_funding_terms
from clearing.schema.terms.withdrawals import InflowDelayTerms
from devnet.codes import DevnetCode
from devnet.genesis import stress_scenarios
from devnet.market import (
    CONFIGS,
    CashFigures,
    FundingFigures,
    GateFigures,
    HaircutFigures,
    MarketFigures,
    MarketStress,
    RangeFigures,
)
from devnet.stated_terms import MarketTable, part_of, read_tables, with_terms

RISK_SET = CONFIGS.parent / "risk" / "default.toml"
_TABLE = re.compile(r"^\[\[?([\w.]+)\]\]?", re.MULTILINE)
_LIST = re.compile(r"^\[\[([\w.]+)\]\]", re.MULTILINE)
_IN_BLOCKS = ("calls", "default", "fund", "house", "gates")
"""Parts of the crisis terms whose times are longer in longer blocks. The sale is not among them, because its discount
follows; nor governance, because no replay has votes."""
Terms = TypeVar("Terms", bound=msgspec.Struct)


class StressFigures(MarketTable, frozen=True):
    """`[[risk.stress]]`."""

    stress: tuple[MarketStress, ...] = ()


class PerpetualFigures(MarketTable, frozen=True):
    """`[instruments.funding]`: of every perpetual."""

    funding: FundingFigures


class TokenControlFigures(MarketTable, frozen=True):
    """`[tokens.gate]` and `[tokens.haircut]`: of every token that has such a table."""

    gate: GateFigures
    haircut: HaircutFigures


class RiskSetFigures(MarketTable, frozen=True):
    """The whole file."""

    block_ms: int
    ranges: RangeFigures
    market: MarketFigures
    risk: StressFigures
    crisis: dict[str, Any]
    instruments: PerpetualFigures
    cash: CashFigures
    inflow: dict[str, Any]
    tokens: TokenControlFigures


class RiskSet(msgspec.Struct, frozen=True):
    """Parameters as genesis has them, in blocks of `block_ms`."""

    block_ms: int
    ranges: RangeParameters
    stress: tuple[StressScenario, ...]
    crisis: CrisisParameters
    epoch_blocks: int
    penalty_ppm: int
    funding: FundingTerms
    """Of every perpetual."""
    maintenance: tuple[int, int] = (4, 5)
    """Of initial margin; that of a network that does not say otherwise."""

    def in_blocks_of(self, block_ms: int) -> "RiskSet":
        """The same in blocks of `block_ms`, times rounded up. `block_ms` is at least the set's own."""
        parts = {name: self._longer(getattr(self.crisis, name), block_ms) for name in _IN_BLOCKS}
        sale = self.crisis.liquidation
        longer = self._longer(sale, block_ms)
        first = min(-(-block_ms // self.block_ms), max(sale.auction_blocks, 1))
        start = auction_discount_ppm(sale.start_ppm, sale.end_ppm, 1, max(sale.auction_blocks, 1), first)
        parts["liquidation"] = msgspec.structs.replace(longer, start_ppm=start)
        crisis = msgspec.structs.replace(self.crisis, **parts)
        epoch = -(-self.epoch_blocks * self.block_ms // block_ms)
        return msgspec.structs.replace(self, block_ms=block_ms, crisis=crisis, epoch_blocks=epoch)

    def _longer(self, terms: Terms, block_ms: int) -> Terms:
        """Every field whose name ends with `_blocks`."""
        names = [name for name in terms.__struct_fields__ if name.endswith("_blocks")]
        return msgspec.structs.replace(
            terms, **{name: -(-getattr(terms, name) * self.block_ms // block_ms) for name in names}
        )


def read_risk_set(path: Path = RISK_SET) -> RiskSet:
    """Read the file. Raises LocalFault MARKET_FILE_INVALID naming the key that is wrong."""
    try:
        figures = read_tables(RiskSetFigures, path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise LocalFault(DevnetCode.MARKET_FILE_INVALID, str(path), why=str(error)) from None
    crisis = with_terms(CrisisParameters(), figures.crisis, "crisis")
    with_terms(InflowDelayTerms(), figures.inflow, "inflow")  # only a new draft has them
    for field, value, good in crisis_checks(crisis):
        if not good:
            raise LocalFault(DevnetCode.MARKET_FILE_INVALID, f"crisis.{field}", value=str(value))
    return RiskSet(
        block_ms=figures.block_ms,
        ranges=part_of(RangeParameters, figures.ranges, "ranges"),
        stress=stress_scenarios(figures.risk.stress),
        crisis=crisis,
        epoch_blocks=figures.market.epoch_blocks,
        penalty_ppm=figures.market.liquidation_penalty_ppm,
        funding=_funding(figures.instruments.funding),
    )


def _funding(figures: FundingFigures) -> FundingTerms:
    terms = part_of(FundingTerms, figures, "instruments.funding")
    try:
        check_funding_terms("of every perpetual", terms, perpetual=True)
    except LocalFault as fault:
        raise LocalFault(DevnetCode.MARKET_FILE_INVALID, fault.at, why=str(fault)) from None
    return terms


def with_tables(market: str, risk_set: str) -> str:
    """The text of a market file in which every table that `risk_set` has is that of `risk_set`, comments included.

    A table of a list's entries, as `[instruments.funding]`, is that of every entry that has one.
    """
    _, ours = _tables(risk_set)
    head, theirs = _tables(market)
    names, written, placed = {name for name, _ in ours}, [head], set()
    lists = tuple(f"{name}." for name in _LIST.findall(market))
    for name, text in theirs:
        if name not in names:
            written.append(text)
        elif name not in placed or name.startswith(lists):
            placed.add(name)
            written += [other for of, other in ours if of == name]
    return "".join([*written, *(text for name, text in ours if name not in placed)])


def _tables(text: str) -> tuple[str, list[tuple[str, str]]]:
    """What comes before the first table, and each table with the comments right above it."""
    starts = []
    for found in _TABLE.finditer(text):
        at = found.start()
        while at and (line := text[text.rfind("\n", 0, at - 1) + 1 : at]).startswith("#"):
            at -= len(line)
        starts.append((at, found[1]))
    ends = [at for at, _ in starts[1:]] + [len(text)]
    tables = [(name, text[at:end]) for (at, name), end in zip(starts, ends, strict=True)]
    return text[: starts[0][0]] if starts else text, tables
