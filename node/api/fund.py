"""The default fund: its size, contributions, and the opening of the fund's account."""

from clearing.base.ids import FUND_ACCOUNT
from clearing.context.member_status import member_status
from clearing.default_fund.contributions import current_fund_size
from clearing.schema.records.default import ContributionRecord
from clearing.schema.terms.default import FundSizing
from clearing.state.state import State
from member.api.proofs import FundOpening, FundPart, FundScenario, FundView
from node.api.calls import NUMBER, ApiCall, Parameter, Routes
from node.api.proofs import account_at_epoch

routes = Routes()


@routes.get("/v1/fund")
def fund(call: ApiCall) -> FundView:
    """The default fund: its required size and the reason, every member's contribution, calls and returns."""
    return fund_of(call.state)


@routes.get(
    "/v1/fund/opening/{epoch}",
    Parameter("epoch", "path", f"latest|{NUMBER}", "epoch; `latest`: of the newest package here"),
    refusals=(404, 501),
)
async def fund_opening(call: ApiCall) -> FundOpening:
    """Seed and holdings of the contributions' account at an epoch's snapshot, for
    `crossclear fund verify`. The newest epochs are kept."""
    found, _ = await account_at_epoch(call, FUND_ACCOUNT)
    return FundOpening(
        epoch=found.epoch,
        height=found.height,
        account=found.account,
        seed=found.seed.hex(),
        holdings={name: str(amount) for name, amount in found.holdings.items()},
    )


def fund_of(state: State) -> FundView:
    """The whole fund; linear in the members."""
    size, terms = current_fund_size(state), state.terms.crisis.fund
    parts = tuple(_part(state, member, record) for member, record in state.contributions.ordered())
    names = [scenario.name for scenario in state.terms.risk.stress]
    return FundView(
        height=state.now.height,
        cash_group=size.cash_group or terms.cash_group,
        epoch=size.epoch,
        sized_at=size.height,
        sizing=FundSizing(terms.sizing).name.lower(),
        scenarios=tuple(
            FundScenario(name=name, cover_two_micros=str(two), largest_or_next_two_micros=str(other))
            for name, (two, other) in zip(names, size.scenario_sizes, strict=False)
        ),
        house_micros=str(size.house_micros),
        sizes_micros=tuple(map(str, size.recent_sizes)),
        target_micros=str(size.target),
        minimum_micros=str(terms.minimum_micros),
        total_micros=str(sum(record.micros for _, record in state.contributions.ordered())),
        parts=parts,
    )


def _part(state: State, member: int, contribution: ContributionRecord) -> FundPart:
    return FundPart(
        member=member,
        micros=str(contribution.micros),
        required_micros=str(contribution.required),
        exposure_micros=str(contribution.exposure),
        called_micros=str(contribution.called),
        deadline=contribution.deadline,
        lapsed=contribution.lapsed,
        returned_at=contribution.return_height,
        status=member_status(state, member).name.lower(),
    )
