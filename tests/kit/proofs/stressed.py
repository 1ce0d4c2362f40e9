"""A market whose parameters test the default fund: books of any number of members, with what each would lack."""

from collections.abc import Mapping, Sequence

from clearing.base.codec import u256
from clearing.base.evm.storage import BalanceLocation
from clearing.base.ids import HOUSE_ACCOUNT
from clearing.margin.risk_arrays.arrays import build_risk_arrays
from clearing.margin.statement.rows import account_holdings, build_snapshot, build_statement
from clearing.margin.statement.rulebook import VERSION, FeedLevel, MarkPrice, Rulebook, write_rulebook
from clearing.margin.statement.snapshot import CustodyTerm, PublicTotal, RiskSnapshot
from clearing.margin.statement.stress import build_cover_terms
from clearing.schema.risk.parameters import RiskGroup, RiskParameters, Scenario, StressScenario
from clearing.schema.terms.assets import Asset, CashGroup
from clearing.schema.terms.instruments import Instrument, InstrumentKind

N = 256
NETWORK = bytes([7]) * 32
NOW_MS, DAY_MS = 1_584_000_000_000, 86_400_000
FUND = 20_000_000_000
STRESS = (
    StressScenario("crash", (Scenario(-40, 100, 1, of_index=True), Scenario(-1, 2, 1, of_index=True))),
    StressScenario("rally", (Scenario(1, 2, 1, of_index=True), Scenario(60, 100, -1, of_index=True))),
)
PARAMETERS = RiskParameters(
    (RiskGroup(1, "BTC", 1, 200_000, 800_000, 200_000), RiskGroup(2, "ETH", 2, 250_000, 900_000, 200_000)),
    scenarios=(Scenario(1, 1, 1), Scenario(-1, 1, 1)),
    cash_limit_micros=5_000_000_000,
    stress=STRESS,
    default_fund_micros=FUND,
)


def _listed(number: int, name: str, kind: InstrumentKind, group: int, strike: int = 0) -> Instrument:
    expiry = 0 if kind is InstrumentKind.PERPETUAL else NOW_MS + 30 * DAY_MS
    return Instrument(number, name, kind, group, group, 1, 10, expiry, strike)


RULEBOOK = Rulebook(
    version=VERSION,
    parameters=PARAMETERS,
    instruments=(
        _listed(1, "BTC-PERP", InstrumentKind.PERPETUAL, 1),
        _listed(2, "BTC-PUT", InstrumentKind.PUT, 1, 750_000),
        _listed(3, "ETH-PERP", InstrumentKind.PERPETUAL, 2),
    ),
    cash_groups=(CashGroup(1, "USD"),),
    tokens=(Asset(3, "WETH", 31337, bytes(20), bytes(20), 18, 6, 0, 2, 150_000, 10**15),),
    feeds=(FeedLevel(1, "BTC", 800_000, used=True), FeedLevel(2, "ETH", 20_000, used=True)),
    marks=(MarkPrice(1, 800_500),),
    time_ms=NOW_MS,
)
STRESSES = RULEBOOK.stress()

HOUSE = (10**11, 0, 0, 0, 0)
Vector = tuple[int, ...]


def book_of(vectors: Mapping[int, Vector]) -> dict[int, Vector]:
    """The vectors with the house on the other side of every position."""
    others = [vector for account, vector in vectors.items() if account != HOUSE_ACCOUNT]
    taken = [-sum(vector[slot] for vector in others) for slot in range(2, 5)]
    house = vectors.get(HOUSE_ACCOUNT, HOUSE)
    return {HOUSE_ACCOUNT: (*house[:2], *taken), **{k: v for k, v in vectors.items() if k != HOUSE_ACCOUNT}}


def snapshot_of(
    vectors: Mapping[int, Vector],
    members: Mapping[int, int],
    rulebook: Rulebook = RULEBOOK,
    *,
    matched: bool = True,
    fund: int | None = None,
) -> RiskSnapshot:
    """The snapshot of a book; an account without a member here is a member of its own."""
    book = book_of(vectors) if matched else dict(vectors)
    stress, index = rulebook.stress(), rulebook.index
    listed = (rulebook.instruments, rulebook.tokens, rulebook.cash_groups)
    marks = {each.instrument: each.ticks for each in rulebook.marks}
    arrays = build_risk_arrays(*listed, marks, index, rulebook.parameters, rulebook.time_ms)
    accounts = [account_holdings(arrays, k, v[:1], v[1:2], v[2:]) for k, v in sorted(book.items())]
    totals = [sum(column) for column in zip(*book.values(), strict=True)]
    owners = {account: members.get(account, account) for account in book}
    named = rulebook.parameters.default_fund_micros if fund is None else fund
    statement = build_statement(
        arrays,
        rulebook.parameters,
        network=NETWORK,
        height=40,
        epoch=4,
        state_root=bytes([9]) * 32,
        prices=rulebook.prices,
        totals=[PublicTotal(slot, total) for slot, total in enumerate(totals)],
        custody=[_custody(1, 0, totals[0]), _custody(31337, 1, totals[1])],
        shortfalls={each.account: each.shortfall for each in accounts if each.shortfall},
        stress=stress,
        rules=write_rulebook(rulebook),
        assumptions=rulebook.assumptions,
        cover=build_cover_terms(stress, (1, 1), accounts, owners, HOUSE_ACCOUNT, named) if stress.names else None,
    )
    return build_snapshot(statement, accounts)


def seeds_of(accounts: Sequence[int]) -> dict[int, bytes]:
    return {account: account.to_bytes(32, "big") for account in accounts}


def _custody(chain: int, slot: int, held: int) -> CustodyTerm:
    return CustodyTerm(
        chain_id=chain, vault=bytes(20), token=bytes([slot]) * 20, slot=slot, block_number=1, block_hash=u256(chain),
        deposited=u256(held), withdrawn=bytes(32), balance=u256(held), balances=BalanceLocation(), unit=1, held=held,
        released=bytes(32), later=bytes(32), strays=bytes(32), dust=bytes(32),
    )  # fmt: skip
