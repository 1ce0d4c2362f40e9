"""A market whose parameters test the default fund: books of any number of members, with what each would lack."""

from collections.abc import Mapping, Sequence

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.margin.statement.rows import build_snapshot
from clearing.margin.statement.rulebook import MarkPrice, Rulebook
from clearing.margin.statement.snapshot import RiskSnapshot
from clearing.margin.statement.stress import build_cover_terms
from clearing.schema.risk.parameters import JointCredit, RiskGroup, RiskParameters, Scenario, StressScenario
from clearing.schema.terms.prices import FundingTerms
from tests.kit.proofs.made_market import (
    PERPETUAL,
    PUT,
    Vector,
    arrays_of,
    holdings_of,
    listed,
    make_rulebook,
    statement_of,
)

N = 256
NETWORK = bytes([7]) * 32
FUND = 20_000_000_000
STRESS = (
    StressScenario("crash", (Scenario(-40, 100, 1, of_index=True), Scenario(-1, 2, 1, of_index=True))),
    StressScenario("rally", (Scenario(1, 2, 1, of_index=True), Scenario(60, 100, -1, of_index=True))),
)
PARAMETERS = RiskParameters(
    (RiskGroup(1, "BTC", 1, 200_000, 800_000, 200_000), RiskGroup(2, "ETH", 2, 250_000, 900_000, 200_000)),
    scenarios=(Scenario(1, 1, 1), Scenario(-1, 1, 1)),
    cash_limit_micros=5_000_000_000,
    joint=JointCredit(keep_largest=False),  # as it is in the frozen files
    stress=STRESS,
    default_fund_micros=FUND,
)


PREMIUM = FundingTerms(premium_cap_ppm=5_000, window_ms=60_000, depth_lots=100)
"""The mark may be half a percent from the index."""
RULEBOOK = make_rulebook(
    PARAMETERS,
    (
        listed(1, "BTC-PERP", PERPETUAL, 1, funding=PREMIUM),
        listed(2, "BTC-PUT", PUT, 1, 750_000),
        listed(3, "ETH-PERP", PERPETUAL, 2),
    ),
    marks=(MarkPrice(1, 800_500),),
)
STRESSES = RULEBOOK.stress()
HOUSE = (10**11, 0, 0, 0, 0)
LEVERED = {  # account: cash, WETH, BTC-PERP, BTC-PUT, ETH-PERP
    1: (9 * 10**9, 0, 5_000, 0, 0),
    2: (10**9, 200_000, 0, 0, -2_000),
    3: (7 * 10**9, 0, -4_000, 10, 0),
    4: (6 * 10**9, 0, 3_500, 0, 1_000),
    5: (3 * 10**9, 10_000, 0, 0, 0),
}
"""Accounts whose stress the fund has to cover."""
MEMBERS = {1: 11, 2: 11, 3: 12, 4: 13, 5: 14}


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
    stress, arrays = rulebook.stress(), arrays_of(rulebook)
    accounts = [holdings_of(arrays, account, vector) for account, vector in sorted(book.items())]
    owners = {account: members.get(account, account) for account in book}
    named = rulebook.parameters.default_fund_micros if fund is None else fund
    statement = statement_of(
        rulebook,
        list(book.values()),
        network=NETWORK,
        shortfalls={each.account: each.shortfall for each in accounts if each.shortfall},
        cover=build_cover_terms(stress, (1, 1), accounts, owners, HOUSE_ACCOUNT, named) if stress.names else None,
    )
    return build_snapshot(statement, accounts)


def seeds_of(accounts: Sequence[int]) -> dict[int, bytes]:
    return {account: account.to_bytes(32, "big") for account in accounts}
