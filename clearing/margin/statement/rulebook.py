"""`Rulebook`: everything from which the slots and rows of a statement follow, as one value inside the statement.

Rule: anybody who has it recomputes every slot and row, coefficient by coefficient, by the engine's own code, so no rule
can be omitted or weakened unnoticed. `VERSION` identifies that code: it changes with every change of the function, and
the old function is kept. `ASSUMPTIONS` names the rules that the rows do not cover. It must not know accounts.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec

from clearing.base.codec import U32, U63, U256Bytes, Wire, encode, encode_trimmed
from clearing.base.errors import BaseCode, RemoteFault
from clearing.base.known_types import known_type
from clearing.base.units import PPM
from clearing.margin.risk_arrays.reference_arrays import (
    PricedListing,
    ReferenceArrays,
    build_reference_arrays,
    build_unvalued_arrays,
)
from clearing.margin.statement.rows import build_rows, build_slots, count_rows, rows_in_order
from clearing.margin.statement.snapshot import RULES_BYTES_MAX, PriceUsed, Row, Slot
from clearing.margin.statement.stress import StressArrays, build_stress
from clearing.pricing.averages import Averages, listed_averages
from clearing.schema.risk.parameters import RiskParameters, check_parameters
from clearing.schema.terms.assets import Asset, CashGroup
from clearing.schema.terms.collateral import check_scenarios
from clearing.schema.terms.genesis import FIRST_FIELDS
from clearing.schema.terms.instruments import INDEX_TICKS_MAX, Instrument, check_instruments

VERSION = 1
NAME_BYTES_MAX = 256
"""Of a name in UTF-8: 64 characters, as a vote may give at most, of 4 bytes."""
MARK_TICKS_MAX = 2**48
"""Far above every index carried to its expiry."""

ASSUMPTIONS = (
    "auction_liquidity",
    "cash_calls",
    "collateral_caps",
    "default_waterfall",
    "initial_margin",
    "interest_accrued",
    "price_formation",
    "soft_credit",
    "uncredited_deposits",
    "withdrawal_restrictions",
)
"""Rules of the clearing house that no row expresses; `proofs.verify.claim_text` has a sentence for each."""
UNTESTED_ASSUMPTION = "default_fund"
"""An additional assumption where the parameters name no stress scenario."""


class FeedLevel(Wire, frozen=True):
    """A feed's price in ticks."""

    feed: U32
    name: str
    ticks: U63
    used: bool
    """False for a settled feed: instruments and tokens on it count for nothing."""


class MarkPrice(Wire, frozen=True):
    """The mark in ticks that an instrument's positions were last settled at; one that is settled for good has none."""

    instrument: U32
    ticks: U63


class AverageSoFar(Wire, frozen=True):
    """What agreed prices cover of an option's averaging window."""

    instrument: U32
    weighted_ticks: U256Bytes
    """Sum of ticks x milliseconds."""
    covered_ms: U63


class Rulebook(Wire, frozen=True):
    """Parameters, listing and prices in force. All tuples are ordered by id."""

    version: U32
    parameters: RiskParameters
    """Genesis's, with the ranges, volatilities and joint scenarios in force."""
    instruments: tuple[Instrument, ...]
    cash_groups: tuple[CashGroup, ...]
    tokens: tuple[Asset, ...]
    """Collateral, with the haircuts and rates in force."""
    feeds: tuple[FeedLevel, ...]
    marks: tuple[MarkPrice, ...]
    time_ms: U63
    """Time as of which options are valued."""
    averages: tuple[AverageSoFar, ...] = ()
    """Of options inside their averaging windows, where `parameters.averaged_options`."""

    @property
    def prices(self) -> tuple[PriceUsed, ...]:
        """The same prices by name, as a statement lists them."""
        names = {instrument.id: instrument.name for instrument in self.instruments}
        found = [PriceUsed(f"{'index' if feed.used else 'settled'}:{feed.name}", feed.ticks) for feed in self.feeds]
        found += [PriceUsed(f"mark:{names[mark.instrument]}", mark.ticks) for mark in self.marks]
        return tuple(sorted(found, key=lambda price: price.name))

    @property
    def assumptions(self) -> tuple[str, ...]:
        """Names of the rules that no row expresses, in order."""
        return ASSUMPTIONS if self.parameters.stress else tuple(sorted((*ASSUMPTIONS, UNTESTED_ASSUMPTION)))

    @property
    def index(self) -> dict[int, int]:
        """Ticks of each feed that counts."""
        return {feed.feed: feed.ticks for feed in self.feeds if feed.used}

    def arrays(self) -> ReferenceArrays:
        """The risk arrays."""
        return build_reference_arrays(self._priced())

    def stress(self) -> StressArrays:
        """The stress scenarios' arrays."""
        return build_stress(self._priced())

    def _priced(self) -> PricedListing:
        marks = {mark.instrument: mark.ticks for mark in self.marks}
        return PricedListing(
            self.instruments,
            self.tokens,
            self.cash_groups,
            marks,
            self.index,
            self.parameters,
            self.time_ms,
            self.known_averages,
        )

    @property
    def known_averages(self) -> Averages:
        """Of every option that settles at an average; none where the parameters do not count it."""
        covered = {
            each.instrument: (int.from_bytes(each.weighted_ticks, "big"), each.covered_ms) for each in self.averages
        }
        return listed_averages(self.instruments, covered, enabled=self.parameters.averaged_options)

    def slots(self) -> tuple[Slot, ...]:
        """The slots of a statement under this rulebook; no option is priced."""
        return build_slots(build_unvalued_arrays(self._priced()), self._named_stress)

    @property
    def row_count(self) -> int:
        """How many rows a statement has under this rulebook; no option is priced."""
        return count_rows(build_unvalued_arrays(self._priced()), self._named_stress)

    def rows(self) -> Iterator[Row]:
        """The rows of a statement under this rulebook, one after another; all are priced before the first. Raises Bug
        where prices bring a coefficient out of range."""
        arrays, stress = self.arrays(), self.stress()
        return rows_in_order(arrays, self.parameters, stress)

    @property
    def _named_stress(self) -> StressArrays:
        return StressArrays(tuple(scenario.name for scenario in self.parameters.stress))

    def slots_and_rows(self) -> tuple[tuple[Slot, ...], tuple[Row, ...]]:
        """The slots and rows of a statement under this rulebook. Raises Bug where prices bring a coefficient
        out of range."""
        arrays, stress = self.arrays(), self.stress()
        return build_slots(arrays, stress), build_rows(arrays, self.parameters, stress)


_DECODER = msgspec.msgpack.Decoder(known_type(Rulebook))


def write_rulebook(rulebook: Rulebook) -> bytes:
    """The bytes in a statement, without what later releases added and is off."""
    return encode_trimmed(rulebook, FIRST_FIELDS | {Rulebook: 8})


def read_rulebook(data: bytes, slots: int) -> Rulebook:
    """Read and check an untrusted rulebook for a statement with this number of `slots`, which bounds the computation.

    Trailing fields with a default may be missing, at every level: a later version, whose records have further fields,
    off by default, still reads this version's bytes, which the statement's hash covers unchanged. What is there has its
    one canonical form, and a name is short and no two feeds have one. Raises RemoteFault OVERSIZE, MALFORMED,
    NON_CANONICAL, and LocalFault or RemoteFault OUT_OF_RANGE naming the field.
    """
    if len(data) > RULES_BYTES_MAX:
        raise RemoteFault(BaseCode.OVERSIZE, "rulebook", bytes=len(data), limit=RULES_BYTES_MAX)
    try:
        book = _DECODER.decode(data)
        same = encode(msgspec.msgpack.decode(data)) == data
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, OverflowError) as error:
        raise RemoteFault(BaseCode.MALFORMED, "rulebook", why=str(error)[:200]) from None
    if not same:
        raise RemoteFault(BaseCode.NON_CANONICAL, "rulebook", bytes=len(data))
    listed = (book.instruments, book.cash_groups, book.tokens, book.parameters.groups, book.parameters.stress)
    _require("version", book.version, book.version == VERSION)
    _require("slots", slots, sum(map(len, listed)) <= slots)
    _check_names(book)
    check_parameters(book.parameters)
    check_instruments(book.instruments)
    groups, feeds = {group.id for group in book.parameters.groups}, [feed.feed for feed in book.feeds]
    _check_rising("feeds", feeds)
    _check_rising("cash_groups", [cash_group.id for cash_group in book.cash_groups])
    _check_rising("tokens", [token.id for token in book.tokens])
    _check_rising("marks", [mark.instrument for mark in book.marks])
    ids = {instrument.id for instrument in book.instruments}
    for instrument in book.instruments:
        _require(f"instruments.{instrument.name}.group", instrument.group, instrument.group in groups)
    for mark in book.marks:
        _require(f"marks.{mark.instrument}", mark.ticks, mark.instrument in ids and mark.ticks <= MARK_TICKS_MAX)
    _check_averages(book)
    for price in book.feeds:
        _require(f"feeds.{price.name}", price.ticks, price.used <= price.ticks <= INDEX_TICKS_MAX)
    for token in book.tokens:
        _check_token(token)
        known = not token.scenarios.group or token.scenarios.group in groups
        _require(f"tokens.{token.name}.scenarios.group", token.scenarios.group, known)
    return book


def _check_averages(book: Rulebook) -> None:
    """An average is of an option with a window, at a price that can be agreed, and covers no more than time allows."""
    _check_rising("averages", [each.instrument for each in book.averages])
    options = {each.id: each for each in book.instruments if each.is_option and each.averaging_ms}
    for each in book.averages:
        option, weighted = options.get(each.instrument), int.from_bytes(each.weighted_ticks, "big")
        known = book.parameters.averaged_options and option is not None
        _require("averages.instrument", each.instrument, known)
        if option is not None:
            begun_ms = book.time_ms - (option.expiry_ms - option.averaging_ms)
            _require("averages.covered_ms", each.covered_ms, 1 <= each.covered_ms <= begun_ms)
        low, high = each.covered_ms, each.covered_ms * INDEX_TICKS_MAX
        _require("averages.weighted_ticks", weighted, low <= weighted <= high)


def _check_names(book: Rulebook) -> None:
    """Before any other check, which may name an element by its name."""
    named = (
        book.instruments,
        book.cash_groups,
        book.tokens,
        book.feeds,
        book.parameters.groups,
        book.parameters.stress,
    )
    longest = max((len(element.name.encode()) for listed in named for element in listed), default=0)
    _require("names", longest, longest <= NAME_BYTES_MAX)
    names = [feed.name for feed in book.feeds]
    _require("feeds.name", len(names), len(set(names)) == len(names))


def _check_token(token: Asset) -> None:
    """A token's value must be between zero and its price."""
    yields = token.yields
    checks = (
        ("cash_group", token.cash_group, token.cash_group == 0),
        ("unit_decimals", token.unit_decimals, token.unit_decimals <= token.token_decimals),
        ("haircut_ppm", token.haircut_ppm, token.haircut_ppm <= PPM),
        ("feed_tokens", token.feed_tokens, token.feed_tokens >= 1),
        ("yields.haircut_ppm", yields.haircut_ppm, yields.haircut_ppm <= PPM),
        ("yields.unit_ticks", yields.unit_ticks, yields.unit_ticks >= 1),
    )
    scenarios = ((f"scenarios.{field}", value, good) for field, value, good in check_scenarios(token.scenarios))
    for field, value, good in (*checks, *scenarios):
        _require(f"tokens.{token.name}.{field}", value, good)


def _check_rising(field: str, ids: Sequence[int]) -> None:
    _require(field, len(ids), all(a < b for a, b in pairwise(ids)))


def _require(field: str, value: int, good: bool) -> None:
    if not good:
        raise RemoteFault(BaseCode.OUT_OF_RANGE, f"rulebook.{field[:80]}", value=value)
