"""Statements of a made-up market: BTC and ETH, dollars on one chain and WETH on another, under any parameters."""

from collections.abc import Mapping, Sequence

from clearing.base.codec import u256
from clearing.base.evm.storage import BalanceLocation
from clearing.margin.risk_arrays.arrays import RiskArrays, build_risk_arrays
from clearing.margin.statement.rows import account_holdings, build_statement
from clearing.margin.statement.rulebook import VERSION, FeedLevel, MarkPrice, Rulebook, write_rulebook
from clearing.margin.statement.snapshot import AccountHoldings, CoverTerms, CustodyTerm, PublicTotal, RiskStatement
from clearing.schema.risk.parameters import RiskParameters
from clearing.schema.terms.assets import Asset, CashGroup
from clearing.schema.terms.instruments import Instrument, InstrumentKind
from clearing.schema.terms.prices import FundingTerms

NOW_MS, DAY_MS = 1_584_000_000_000, 86_400_000
PERPETUAL, FUTURE, CALL, PUT = (InstrumentKind[name] for name in ("PERPETUAL", "FUTURE", "CALL", "PUT"))
Vector = Sequence[int]
"""What an account holds: cash, units of each token, by default of WETH alone, and lots of each instrument."""


NO_FUNDING = FundingTerms()


def listed(
    number: int,
    name: str,
    kind: InstrumentKind,
    group: int,
    strike: int = 0,
    funding: FundingTerms = NO_FUNDING,
) -> Instrument:
    expiry = 0 if kind is PERPETUAL else NOW_MS + 30 * DAY_MS
    return Instrument(number, name, kind, group, group, 1, 10, expiry, strike, funding=funding)


def make_rulebook(
    parameters: RiskParameters, instruments: Sequence[Instrument], marks: Sequence[MarkPrice] = ()
) -> Rulebook:
    return Rulebook(
        version=VERSION,
        parameters=parameters,
        instruments=tuple(instruments),
        cash_groups=(CashGroup(1, "USD"),),
        tokens=(Asset(3, "WETH", 31337, bytes(20), bytes(20), 18, 6, 0, 2, 150_000, 10**15),),
        feeds=(FeedLevel(1, "BTC", 800_000, used=True), FeedLevel(2, "ETH", 20_000, used=True)),
        marks=tuple(marks),
        time_ms=NOW_MS,
    )


def arrays_of(book: Rulebook) -> RiskArrays:
    marks = {each.instrument: each.ticks for each in book.marks}
    listing = (book.instruments, book.tokens, book.cash_groups)
    more = {"averages": book.known_averages}
    return build_risk_arrays(*listing, marks, book.index, book.parameters, book.time_ms, **more)


def holdings_of(arrays: RiskArrays, account: int, vector: Vector) -> AccountHoldings:
    lots = 1 + len(arrays.assets)
    return account_holdings(arrays, account, vector[:1], vector[1:lots], vector[lots:])


def statement_of(
    book: Rulebook,
    vectors: Sequence[Vector],
    *,
    network: bytes = bytes(32),
    shortfalls: Mapping[int, int] | None = None,
    cover: CoverTerms | None = None,
) -> RiskStatement:
    """What is public of accounts with these holdings, backed to the unit."""
    totals = [sum(column) for column in zip(*vectors, strict=True)]
    return build_statement(
        arrays_of(book),
        book.parameters,
        network=network,
        height=40,
        epoch=4,
        state_root=bytes([9]) * 32,
        prices=book.prices,
        totals=[PublicTotal(slot, total) for slot, total in enumerate(totals)],
        custody=[
            _custody(1, 0, totals[0]),
            *(_custody(31337, slot, totals[slot]) for slot in range(1, 1 + len(book.tokens))),
        ],
        shortfalls=shortfalls or {},
        stress=book.stress(),
        rules=write_rulebook(book),
        assumptions=book.assumptions,
        cover=cover,
    )


def _custody(chain: int, slot: int, held: int) -> CustodyTerm:
    return CustodyTerm(
        chain_id=chain, vault=bytes(20), token=bytes([slot]) * 20, slot=slot, block_number=1, block_hash=u256(chain),
        deposited=u256(held), withdrawn=bytes(32), balance=u256(held), balances=BalanceLocation(), unit=1, held=held,
        released=bytes(32), later=bytes(32), strays=bytes(32), dust=bytes(32),
    )  # fmt: skip
