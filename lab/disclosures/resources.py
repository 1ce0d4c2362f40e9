"""Default resources of a state: the house's part, contributions, and what members are committed to."""

from clearing.base.ids import HOUSE_ACCOUNT, HOUSE_MEMBER
from clearing.base.units import PPM
from clearing.context.member_status import member_status
from clearing.schema.records.default import ContributionRecord, MemberStatus
from clearing.state.ledger import balance, cash_currency
from clearing.state.state import State


def house_micros(state: State) -> int:
    """What the house's cash bears of a default: at most `house_capital_micros`; 0 where defaults are off."""
    terms = state.terms.crisis.default
    cash = sum(balance(state, HOUSE_ACCOUNT, cash_currency(group)) for group in state.terms.cash_groups)
    return max(min(cash, terms.house_capital_micros), 0) if terms.enabled else 0


def contributions(state: State) -> dict[int, ContributionRecord]:
    """By member."""
    return dict(state.contributions.ordered())


def posted_micros(state: State) -> int:
    """All contributions in the fund."""
    return sum(record.micros for record in contributions(state).values())


def prefunded_micros(state: State) -> int:
    """The house's part and all contributions."""
    return house_micros(state) + posted_micros(state)


def active_required(state: State) -> dict[int, int]:
    """Required contributions of members that may be called."""
    standing = (MemberStatus.ACTIVE, MemberStatus.RESTRICTED)
    return {
        member: record.required
        for member, record in contributions(state).items()
        if member != HOUSE_MEMBER and member_status(state, member) in standing
    }


def assessments_left(state: State) -> int:
    """What active members may still be assessed in the current period."""
    terms, left = state.terms.crisis.default, 0
    for member, required in active_required(state).items():
        record = state.assessments.get(member)
        in_period = record is not None and state.now.height < record.since_height + terms.assessment_period_blocks
        used = record.micros if record is not None and in_period else 0
        left += max(required * terms.assessment_ppm // PPM - used, 0)
    return left
