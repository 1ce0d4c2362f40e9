"""Reserve prices of the default auction: the highest ask for a slice that a bidder is paid.

Rule: three bounds, in micros, each rounded down, and the lowest applies.

1. A stated fraction of the slice's initial margin.
2. The slice's part of a stated multiple of what margin charges for closing the portfolio: its charges by lot for
   contingency and slippage, and its market impact.
3. For a bidder without enough competition, the slice's part of the defaulter's own money: its contribution, less what
   the default owes beyond the estate. What such a bidder is paid is then taken from nobody but the defaulter, so the
   two together gain nothing by a default.

A bidder has enough competition where other bidders ask no more than the first two bounds, and can carry a stated
fraction of the slices. Affiliates of a bidder are no others to it, and an affiliate of the defaulter never has
competition. This module must not know which bids are filled.
"""

from collections.abc import Mapping

from clearing.base.units import PPM, mul_div_down
from clearing.context.affiliation import Owner
from clearing.context.block_context import BlockContext
from clearing.context.unresolved_losses import net_owed
from clearing.default_fund.contributions import contribution_micros
from clearing.margin.requirement.account_margin import AccountMargin
from clearing.prices.price_status import can_close_out
from clearing.schema.records.default import DefaultRecord
from clearing.state.holdings import Holdings, current_arrays, holdings_margin, positions_of

PositionLots = tuple[tuple[int, int], ...]


def auction_portfolio(context: BlockContext, default: DefaultRecord) -> PositionLots:
    """(instrument, lots) of the estate's positions with open prices."""
    if not default.own_accounts:
        return ()
    listed = context.terms.instruments
    return tuple(
        (instrument, lots)
        for instrument, lots in positions_of(context.state, default.estate).lots
        if can_close_out(context.state, listed[instrument].feed)
    )


def portfolio_margin(context: BlockContext, lots: PositionLots) -> AccountMargin:
    """Margin of the whole portfolio alone, without any money."""
    alone = Holdings(
        [0] * len(context.terms.cash_groups), [0] * len(context.terms.tokens), [0] * len(context.terms.instruments)
    )
    for instrument, position in lots:
        alone.lots[context.terms.array_index[instrument]] = position
    return holdings_margin(current_arrays(context.state), alone)


def slice_margin(context: BlockContext, lots: PositionLots) -> int:
    """Initial margin of a slice: that of the whole portfolio alone, divided by the slices, rounded down."""
    return portfolio_margin(context, lots).initial // context.terms.crisis.default.auction_slices


def reserve_ask(context: BlockContext, lots: PositionLots) -> int:
    """The highest ask for a slice that anybody is paid: the lower of the first two bounds."""
    terms, margin = context.terms.crisis.default, portfolio_margin(context, lots)
    worst = mul_div_down(margin.initial // terms.auction_slices, terms.auction_worst_ppm, PPM)
    if not terms.auction_reserve_ppm:
        return worst
    closing = margin.terms.charges + margin.terms.impact
    return min(worst, mul_div_down(closing, terms.auction_reserve_ppm, PPM) // terms.auction_slices)


def uncontested_ask(context: BlockContext, default: DefaultRecord, reserve: int) -> int:
    """The highest ask for a slice that a bidder without enough competition is paid."""
    terms = context.terms.crisis.default
    if not terms.auction_contest_ppm:
        return reserve
    return min(reserve, max(_own_money(context, default), 0) // terms.auction_slices)


def uncontested_bidders(context: BlockContext, default: DefaultRecord, carried: Mapping[int, int]) -> tuple[int, ...]:
    """Bidders without enough competition, ordered. `carried`: the slices that each bidder can carry, of bids that ask
    no more than the reserve."""
    terms, group_of = context.terms.crisis.default, context.families.members_like
    by_group: dict[Owner, int] = {}
    for member, slices in carried.items():
        by_group[group_of(member)] = by_group.get(group_of(member), 0) + slices
    whole, needed = sum(by_group.values()), terms.auction_contest_ppm * terms.auction_slices
    defaulters = group_of(default.member)
    return tuple(
        member
        for member in sorted(carried)
        if group_of(member) == defaulters or (whole - by_group[group_of(member)]) * PPM < needed
    )


def _own_money(context: BlockContext, default: DefaultRecord) -> int:
    """The defaulter's contribution, less what its accounts owe, or plus what they have. A client pays only its own
    debts."""
    owed = sum(net_owed(context.state, account) for account in default.own_accounts)
    owed += sum(max(net_owed(context.state, client), 0) for client in default.client_accounts)
    return contribution_micros(context.state, default.member) - owed
