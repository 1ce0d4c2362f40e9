"""Rule by rule: the account that this one rule makes insolvent, by one micro, is proven only as short by all of it."""

import msgspec
import pytest

from clearing.margin.risk_arrays.arrays import build_risk_arrays
from clearing.margin.statement.rows import account_holdings, build_snapshot
from clearing.margin.statement.snapshot import AccountHoldings
from clearing.schema.risk.charges import LotCharge
from clearing.schema.risk.parameters import JointCredit
from proofs.verify.package_verifier import verify_package
from tests.kit.clearing.rows import shortfall_of
from tests.kit.proofs.requirement import ARRAYS, INDEX, INSTRUMENTS, NOW_MS, PARAMETERS, WETH, statement_for

replace = msgspec.structs.replace
(BTC, ETH), (IMPACT, SLIPPAGE) = PARAMETERS.groups, PARAMETERS.charges
UNCHARGED = (replace(IMPACT, contingency_ppm=0), SLIPPAGE)
# What the account holds besides cash: WETH, BTC-PERP, BTC-FAR, BTC-PUT, ETH-PERP; and parameters without the rule.
RULES = {
    "the worst scenario of a group": ((0, 0, 0, 0, 500), {"groups": (BTC, replace(ETH, range_ppm=1))}),
    "every group's": ((0, 200, 0, 0, 500), {"groups": (replace(BTC, range_ppm=1), ETH)}),
    "the minimum of short options": ((0, 0, -300, 0, 0), {"groups": (replace(BTC, short_option_ppm=0), ETH)}),
    "a charge on each lot": ((0, 300, 0, 0, 0), {"charges": UNCHARGED}),
    "a charge on each lot that is short": (
        (0, -300, 0, 0, 0),
        {"charges": UNCHARGED},
    ),
    "impact beyond the first size": ((0, 2_000, 0, 0, 0), {"charges": (LotCharge(1, 5_000), SLIPPAGE)}),
    "concentration of a token": ((3_000_000, 0, 0, 0, 90_000), {"concentration": ()}),
    "the part that is not credited": (
        (0, 500, 0, 0, -20_000),
        {"joint": replace(PARAMETERS.joint, weight_ppm=999_999)},
    ),
    "the joint loss that a credit leaves": (
        (0, 500, 0, 0, 20_000),
        {"joint": replace(PARAMETERS.joint, scenarios=PARAMETERS.joint.scenarios[:1], tail=1, keep_largest=False)},
    ),
    "the level of maintenance": ((0, 300, 0, 0, 0), {"maintenance_numerator": 3}),
}


def arrays_under(**changes):
    parameters = replace(PARAMETERS, **changes)
    return build_risk_arrays(INSTRUMENTS, [WETH], ARRAYS.cash_groups, {}, INDEX, parameters, NOW_MS)


def least_cash(arrays, tokens, lots) -> int:
    """The least cash with which an account falls short of nothing."""
    low, high = -(10**14), 10**14
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if shortfall_of(arrays, [middle], tokens, lots) else (low, middle)
    return high


def packaged(market, cash, tokens, lots, listed):
    """A package of one account and of a house that takes the other side, by a prover without checks."""
    own = (cash, *tokens, *lots)
    house = (10**13, 10**6, *(-each for each in lots))
    short = shortfall_of(ARRAYS, [cash], tokens, lots)
    named = {1: short - 1 + listed} if short - 1 + listed else {}
    accounts = [
        account_holdings(ARRAYS, 0, house[:1], house[1:2], house[2:]),
        replace(account_holdings(ARRAYS, 1, [cash], tokens, lots), shortfall=named.get(1, 0)),
    ]
    assert isinstance(accounts[1], AccountHoldings)
    shot = build_snapshot(statement_for([house, own], market.NETWORK, named), accounts)
    cheat = market.Cheat(shot)
    return verify_package(cheat.package(cheat.witnesses()), network=market.NETWORK)


@pytest.mark.parametrize("rule", RULES)
def test_an_account_that_one_rule_makes_insolvent_is_proven_only_as_short(market, rule):
    (units, *lots), without = RULES[rule]
    tokens = [units]
    cash = least_cash(ARRAYS, tokens, lots) - 1
    assert cash > -PARAMETERS.cash_limit_micros, "the limit of cash must not be what binds"
    assert shortfall_of(arrays_under(**without), [cash], tokens, lots) == 0, "without the rule it is solvent"
    assert packaged(market, cash, tokens, lots, 0).failed == "ranges_and_rows"
    verdict = packaged(market, cash, tokens, lots, 1)
    assert verdict.ok, verdict.checks[-1]
    assert "account 1 is short by at most" in verdict.claim


def test_cash_below_its_limit_is_refused_however_much_collateral_there_is(market):
    cash = -PARAMETERS.cash_limit_micros - 1
    assert shortfall_of(ARRAYS, [cash], [9 * 10**8], [0] * 4) == 1
    assert shortfall_of(ARRAYS, [cash + 1], [9 * 10**8], [0] * 4) == 0
    assert packaged(market, cash, [9 * 10**8], [0] * 4, 0).failed == "ranges_and_rows"
    assert packaged(market, cash, [9 * 10**8], [0] * 4, 1).ok


def test_an_isolated_group_of_a_rich_member_stands_on_its_own_collateral(market):
    """It is an account: nothing of another account, whoever owns it, enters its rows."""
    lots = [0, 0, 0, 500]
    cash = least_cash(ARRAYS, [0], lots) - 1
    assert packaged(market, cash, [0], lots, 0).failed == "ranges_and_rows"


def test_the_parameters_here_have_every_rule():
    assert PARAMETERS.joint != JointCredit()
    assert all((PARAMETERS.charges, PARAMETERS.concentration, PARAMETERS.cash_limit_micros, BTC.short_option_ppm))
    assert IMPACT.root_impact_ppm
