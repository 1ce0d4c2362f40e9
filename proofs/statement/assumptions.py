"""The assumptions: rules of the house that no row of a statement expresses, each in one sentence.

Rule: a statement names them and the verdict repeats every name. A name for which this version has no sentence is shown
as it is, never left out.
"""

from clearing.base.ids import FUND_ACCOUNT
from clearing.margin.statement.snapshot import RiskStatement

SENTENCES = {
    "auction_liquidity": "Outside: that positions can be closed at the prices and sizes which margin assumes.",
    "cash_calls": "Outside: calls for cash that cover debts of an account in one currency by its own in another.",
    "collateral_caps": "Outside: how much of a token all accounts together may hold.",
    "default_fund": "Outside: the size of the default fund. No stress scenarios are stated.",
    "default_waterfall": "Outside: who bears a loss beyond the defaulter's own collateral, and in which order.",
    "initial_margin": "Outside: initial margin, which trades and withdrawals must leave; proven is maintenance margin.",
    "interest_accrued": "Outside: interest that has accrued and is not paid yet.",
    "price_formation": "Outside: how prices, ranges and haircuts come about.",
    "soft_credit": "Outside: what the house lent on deposits that are not final counts as the borrower's cash.",
    "uncredited_deposits": "Outside: deposits that are not credited yet count for nobody.",
    "withdrawal_restrictions": "Outside: who may withdraw what, and when.",
}


def assumptions_of(statement: RiskStatement) -> tuple[str, ...]:
    """One sentence a rule, in the statement's order; and one for feeds that are said to have no price any more."""
    named = tuple(SENTENCES.get(name, f"Outside: {name[:80]}.") for name in statement.outside)
    prefix = "settled:"
    settled = [price.name.removeprefix(prefix)[:80] for price in statement.prices if price.name.startswith(prefix)]
    if not settled:
        return named
    listed = ", ".join(settled)
    return (*named, f"Settled, by the validators' word: {listed}. What these feeds price counts here for nothing.")


def rules_limit(*, with_genesis: bool) -> str:
    """Whose word the rules in force are."""
    if with_genesis:
        return (
            "Prices, haircuts, the time as of which options are valued, and the ranges, volatilities and joint "
            "scenarios of the observed market are those that more than two thirds of the validators certified; the "
            "rows follow from them and from the genesis."
        )
    return (
        "Prices, parameters and the time as of which options are valued are those that more than two thirds of the "
        "validators certified; the rows follow from them. Give the genesis to have the parameters compared with it."
    )


def cover_limits(statement: RiskStatement) -> tuple[str, ...]:
    """What the test of the default fund leaves open, where there is one."""
    if not statement.cover:
        return ("A listed shortfall is an upper bound; whether the default fund covers it is no part of this package.",)
    limits: tuple[str, ...] = (
        "A listed shortfall is an upper bound; the default fund is tested for two members' losses in each stated "
        "stress scenario, at its prices and today's haircuts, and in no other.",
        "Which account is which member's is what the validators certified.",
    )
    if FUND_ACCOUNT in dict(statement.cover[0].members):
        limits += (
            f"What members contributed, account {FUND_ACCOUNT}, is not counted in the default fund here: "
            "`crossclear fund verify` does, with that account opened.",
        )
    if not any(statement.cover[0].deficits):
        return limits
    return (*limits, "What the fund falls short by is told exactly: it is what the two largest members lack, less it.")
