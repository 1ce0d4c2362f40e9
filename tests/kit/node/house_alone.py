"""The least genesis that a node starts with."""

from clearing.base.validators import ValidatorSet
from clearing.schema.risk.parameters import SPAN_SIXTEEN, RiskParameters
from clearing.schema.terms.genesis import AccountKind, AccountTerms, Genesis, MarketParameters, MemberTerms


def house_alone(validators: ValidatorSet, time_ms: int, market: MarketParameters | None = None) -> Genesis:
    """No chains, feeds or instruments: heights are empty."""
    house = MemberTerms(0, "house", bytes(20), (AccountTerms(0, AccountKind.HOUSE),))
    risk = RiskParameters(groups=(), scenarios=SPAN_SIXTEEN)
    return Genesis("house alone", time_ms, validators, (), (), (), (), (), risk, market or MarketParameters(), (house,))
