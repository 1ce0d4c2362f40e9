"""What is public of the default fund: its size, what it is made of, and everybody's part.

Rule: reads a decided state, decides nothing.
"""

from clearing.default.status import member_status
from clearing.fund.parts import size_in_force
from clearing.fund.records import Contribution
from clearing.fund.terms import Sizing
from clearing.state.state import State
from node.api.fund_shapes import FundPart, FundScenario, FundView


def fund_of(state: State) -> FundView:
    """The whole fund; linear in the members."""
    size, terms = size_in_force(state), state.terms.crisis.fund
    parts = tuple(_part(state, member, record) for member, record in state.contributions.ordered())
    names = [each.name for each in state.terms.risk.stress]
    return FundView(
        height=state.now.height,
        cash_group=size.cash_group or terms.cash_group,
        epoch=size.epoch,
        sized_at=size.height,
        sizing=Sizing(terms.sizing).name.lower(),
        scenarios=tuple(
            FundScenario(name=name, cover_two_micros=str(two), largest_or_next_two_micros=str(other))
            for name, (two, other) in zip(names, size.asked, strict=False)
        ),
        house_micros=str(size.house_micros),
        sizes_micros=tuple(map(str, size.sizes)),
        target_micros=str(size.target),
        minimum_micros=str(terms.minimum_micros),
        total_micros=str(sum(record.micros for _, record in state.contributions.ordered())),
        parts=parts,
    )


def _part(state: State, member: int, record: Contribution) -> FundPart:
    return FundPart(
        member=member,
        micros=str(record.micros),
        required_micros=str(record.required),
        exposure_micros=str(record.exposure),
        called_micros=str(record.called),
        deadline=record.deadline,
        lapsed=record.lapsed,
        returned_at=record.return_height,
        status=member_status(state, member).name.lower(),
    )
