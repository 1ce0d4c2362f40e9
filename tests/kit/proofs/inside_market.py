"""A market whose collateral moves in the scenarios: WETH and STETH as ETH's spot, and OP, which falls with ETH."""

import msgspec

from clearing.margin.statement.rows import build_snapshot
from clearing.margin.statement.rulebook import FeedLevel, Rulebook
from clearing.margin.statement.snapshot import RiskSnapshot
from clearing.margin.statement.stress import build_cover_terms
from clearing.schema.risk.charges import ConcentrationTier
from clearing.schema.risk.parameters import JointCredit, RiskParameters, Scenario, collapse
from clearing.schema.terms.assets import Asset
from clearing.schema.terms.collateral import ScenarioTerms, YieldTerms
from tests.kit.proofs import stressed
from tests.kit.proofs.made_market import Vector, arrays_of, holdings_of, statement_of

OP_FEED, RATE_FEED = 3, 4
WETH: Asset = msgspec.structs.replace(
    stressed.RULEBOOK.tokens[0], haircut_ppm=30_000, scenarios=ScenarioTerms(2, haircut_ppm=30_000)
)
OP = Asset(
    4, "OP", 31337, bytes(20), bytes(20), 18, 4, 0, OP_FEED, 100_000, 10**15,
    scenarios=ScenarioTerms(2, haircut_ppm=100_000, fall_share_ppm=1_200_000),
)  # fmt: skip
STETH: Asset = msgspec.structs.replace(
    WETH, id=5, name="STETH", yields=YieldTerms(RATE_FEED, haircut_ppm=20_000), rate_ticks=1_150_000
)
BTC, ETH = stressed.PARAMETERS.groups
SHORTER = (Scenario(-1, 1, 1), Scenario(1, 1, -1), Scenario(-2, 1, 0, 350_000))
PARAMETERS: RiskParameters = msgspec.structs.replace(
    stressed.PARAMETERS,
    groups=(BTC, msgspec.structs.replace(ETH, scenarios=SHORTER)),
    scenarios=(Scenario(1, 1, 1), Scenario(-1, 1, 1), Scenario(-1, 5, 0, of_index=True), Scenario(1, 3, -1)),
    joint=JointCredit(collapse([(1, 1), (2, 2), (2, 2), (1, 2), (0, 1), (4, 3)]), tail=2, keep_largest=True),
    concentration=(ConcentrationTier(3, 100_000, 200_000), ConcentrationTier(4, 0, 50_000)),
)
RULEBOOK: Rulebook = msgspec.structs.replace(
    stressed.RULEBOOK,
    parameters=PARAMETERS,
    tokens=(WETH, OP, STETH),
    feeds=(
        *stressed.RULEBOOK.feeds,
        FeedLevel(OP_FEED, "OP", 150, used=True),
        FeedLevel(RATE_FEED, "STETH/ETH", 1_150_000, used=True),
    ),
)
HOUSE = (10**11, 0, 0, 0, 0, 0, 0)
BOOK = {  # account: cash, WETH, OP, STETH, BTC-PERP, BTC-PUT, ETH-PERP
    0: HOUSE,
    1: (10**9, 200_000, 0, 0, 0, 0, -2_000),
    2: (3 * 10**9, 150_000, 40_000, 0, 0, 0, 1_500),
    3: (7 * 10**9, 0, 0, 90_000, -4_000, 10, 0),
}
"""A hedged holder, one with all of it the wrong way, and one whose token backs another group."""
MEMBERS = {1: 11, 2: 12, 3: 13}


def snapshot_inside(rulebook: Rulebook = RULEBOOK) -> RiskSnapshot:
    """The snapshot of the book, with the house on the other side of every position."""
    own = {account: vector for account, vector in BOOK.items() if account}
    taken = [-sum(vector[slot] for vector in own.values()) for slot in range(4, 7)]
    book: dict[int, Vector] = {0: (*HOUSE[:4], *taken), **own}
    arrays, stress = arrays_of(rulebook), rulebook.stress()
    accounts = [holdings_of(arrays, account, vector) for account, vector in sorted(book.items())]
    owners = {account: MEMBERS.get(account, account) for account in book}
    fund = rulebook.parameters.default_fund_micros
    statement = statement_of(
        rulebook,
        list(book.values()),
        network=stressed.NETWORK,
        shortfalls={each.account: each.shortfall for each in accounts if each.shortfall},
        cover=build_cover_terms(stress, (1, 3), accounts, owners, 0, fund),
    )
    return build_snapshot(statement, accounts)
