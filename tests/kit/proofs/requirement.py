"""Statements under every rule of the requirement."""

from clearing.schema.risk.charges import ConcentrationTier, LotCharge
from clearing.schema.risk.parameters import JointCredit, RiskGroup, RiskParameters, Scenario, collapse
from tests.kit.proofs.made_market import CALL, PERPETUAL, PUT, listed, make_rulebook, statement_of

PARAMETERS = RiskParameters(
    (
        RiskGroup(1, "BTC", 1, 200_000, 800_000, 200_000, short_option_ppm=50_000),
        RiskGroup(2, "ETH", 2, 250_000, 900_000, 200_000),
    ),
    scenarios=(Scenario(1, 1, 1), Scenario(-1, 1, 1), Scenario(1, 2, -1), Scenario(-1, 2, -1)),
    cash_limit_micros=5_000_000_000,
    rate_ppm=50_000,
    joint=JointCredit(collapse([(1, 1), (2, 2), (2, 2), (1, 4), (3, 0), (4, 2)]), tail=2, keep_largest=True),
    charges=(LotCharge(1, 5_000, 0, 300, 0, 20_000, (1_000_000, 5_000_000)), LotCharge(3, 0, 10_000)),
    concentration=(ConcentrationTier(3, 1_000_000, 100_000),),
)
RULEBOOK = make_rulebook(
    PARAMETERS,
    (
        listed(1, "BTC-PERP", PERPETUAL, 1),
        listed(2, "BTC-FAR", CALL, 1, 80_000_000),
        listed(3, "BTC-PUT", PUT, 1, 750_000),
        listed(4, "ETH-PERP", PERPETUAL, 2),
    ),
)
VECTORS = {
    0: (10**12, 3_000_000, 200, 300, 5, 4_000),
    1: (10**11, 2_000_000, -500, 40, -30, -4_010),
    5: (5 * 10**10, 0, 300, -340, 25, 10),
}
STATED = statement_of(RULEBOOK, list(VECTORS.values()))
