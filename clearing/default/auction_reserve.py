"""Reserve prices of the default auction: the highest ask for a slice that a bidder is paid.

Rule: three bounds, in micros, each rounded down, and the lowest applies.

1. A stated fraction of the slice's initial margin.
2. The slice's part of a stated multiple of what margin charges for closing the portfolio: its charges by lot for
   contingency and slippage, and its market impact.
3. The slice's part of the defaulter's own money: its contribution, less what the default owes beyond the estate, with
   options at their value at the mark, and tokens without an open price at nothing. Then nobody but the defaulter pays
   the bidders. So the defaulter and any bidders together gain nothing by a default, and no rule has to know who
   colludes.

This module must not know which bids are filled.
"""

from clearing.base.units import PPM, mul_div_down
from clearing.context.block_context import BlockContext
from clearing.context.unresolved_losses import net_owed
from clearing.default.deleveraging import option_value
from clearing.default_fund.contributions import contribution_micros
from clearing.margin.requirement.account_margin import AccountMargin
from clearing.prices.price_status import can_close_out_position
from clearing.schema.records.default import DefaultRecord
from clearing.state.holdings import Holdings, current_arrays, holdings_margin, positions_of
from clearing.state.ledger import balance, token_currency
from clearing.state.state import State
from clearing.withdrawals.unpriced_tokens import is_priced

PositionLots = tuple[tuple[int, int], ...]


def auction_portfolio(context: BlockContext, default: DefaultRecord) -> PositionLots:
    """(instrument, lots) of the estate's positions with open prices."""
    if not default.own_accounts:
        return ()
    listed = context.terms.instruments
    return tuple(
        (instrument, lots)
        for instrument, lots in positions_of(context.state, default.estate).lots
        if can_close_out_position(context.state, listed[instrument])
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
    """The highest ask for a slice under the first two bounds: what a bid may ask."""
    terms, margin = context.terms.crisis.default, portfolio_margin(context, lots)
    worst = mul_div_down(margin.initial // terms.auction_slices, terms.auction_worst_ppm, PPM)
    if not terms.auction_reserve_ppm:
        return worst
    net = zip(current_arrays(context.state).tariff.net, margin.terms.net, strict=True)
    closing = margin.terms.charges + margin.terms.impact
    closing += sum(micros for charge, micros in net if charge.name != "basis")
    return min(worst, mul_div_down(closing, terms.auction_reserve_ppm, PPM) // terms.auction_slices)


def own_money_ask(context: BlockContext, default: DefaultRecord, reserve: int) -> int:
    """The highest ask for a slice that is paid. `reserve`: of `reserve_ask`.

    Money that a cheaper bid leaves goes to the estate, and not to dearer bids.
    """
    terms = context.terms.crisis.default
    if not terms.auction_own_money:
        return reserve
    return min(reserve, max(_own_money(context, default), 0) // terms.auction_slices)


def _own_money(context: BlockContext, default: DefaultRecord) -> int:
    """The defaulter's contribution, less what its accounts owe, or plus what they have. A client pays only its own
    debts."""
    owed = sum(_owed_at_marks(context, account) for account in default.own_accounts)
    owed += sum(max(_owed_at_marks(context, client), 0) for client in default.client_accounts)
    return contribution_micros(context.state, default.member) - owed


def _owed_at_marks(context: BlockContext, account: int) -> int:
    """What an account owes beyond its resources after its options are sold at the mark; negative: what it has then.

    A written option is a debt at any price. An option or a token that it has is only money while its price is open.
    """
    owed = net_owed(context.state, account) + _unpriced_tokens(context.state, account)
    for instrument, lots in positions_of(context.state, account).lots:
        value = option_value(context, instrument) * lots
        if value < 0 or can_close_out_position(context.state, context.terms.instruments[instrument]):
            owed -= value
    return owed


def _unpriced_tokens(state: State, account: int) -> int:
    """What an account's tokens without an open price count for after haircut, at their last prices."""
    values = current_arrays(state).token_values.tolist()
    return sum(
        value * balance(state, account, token_currency(token.id))
        for token, value in zip(state.terms.tokens, values, strict=True)
        if not all(is_priced(state, feed) for feed in token.feeds)
    )
