"""Terms of a default fund, and a world that has one."""

from clearing.schema.risk.parameters import RiskParameters, Scenario, StressScenario
from clearing.schema.terms.default import DefaultTerms, FundTerms
from clearing.schema.terms.genesis import Genesis
from tests.kit.clearing.funds import BOLD
from tests.kit.clearing.genesis import DOLLAR, RISK, USD, make_genesis
from tests.kit.clearing.world import World, funded

CRASH = StressScenario("crash", (Scenario(-60, 100, 0, of_index=True), Scenario(-70, 100, 0, of_index=True)))
RALLY = StressScenario("rally", (Scenario(60, 100, 0, of_index=True), Scenario(70, 100, 0, of_index=True)))
GROUPS = RISK.groups
TERMS = FundTerms(
    cash_group=USD,
    minimum_micros=1_000 * DOLLAR,
    step_micros=DOLLAR,
    call_blocks=3,
    return_blocks=4,
)


def fund_genesis(
    terms: FundTerms = TERMS, house_dollars: int = 0, default: DefaultTerms | None = None, epoch_blocks: int = 5
) -> Genesis:
    risk = stressed(default_fund_micros=house_dollars * DOLLAR)
    crisis = {"fund": terms, "default": default or DefaultTerms()}
    return make_genesis({"epoch_blocks": epoch_blocks, "request_ms_max": 600_000}, risk, crisis=crisis)


def stressed(**more: int) -> RiskParameters:
    """The small requirement with two stresses that the fund covers."""
    return RiskParameters(GROUPS, cash_limit_micros=1_000 * DOLLAR, stress=(CRASH, RALLY), **more)


def fund_world(genesis: Genesis | None = None, dollars: int = 100_000, check: bool = True) -> World:
    """Everybody with cash. Custody is reported whenever an epoch is to close."""
    return funded(check, genesis or fund_genesis(), dollars, fresh=True)


__all__ = ["BOLD", "CRASH", "GROUPS", "RALLY", "TERMS", "fund_genesis", "fund_world", "stressed"]
