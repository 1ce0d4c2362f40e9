"""The partial tear-up: positions end at the last mark where a gains haircut left their account below initial margin.

Rule: no more ends than that account needs, and nothing that was traded after the declaration.

1. Only instruments in which the defaulter lost count, those in which it lost most first.
2. Of an account only lots count that it had when the default was declared, or that the default auction or a takeover
   passed on: they are the defaulter's contracts.
3. The fewest lots end that restore initial margin, or, where none do, that lack it least.
4. The other side ends with them, by profit x leverage, highest first, then by account, as in auto-deleveraging.

An account that still lacks margin is called like any other. Accounts with the largest shortfall come first, then the
lower number. Lots end at the mark, options for their value.
"""

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.base.units import MONEY_MAX
from clearing.context.block_context import BlockContext
from clearing.default.deleveraging import AutoDeleveragingRanking, option_value
from clearing.default.variation_gains import gains_since, lots_changed_since, record_position_changes
from clearing.schema.receipts.default import PositionsTornUp
from clearing.schema.records.default import DefaultRecord
from clearing.schema.transfers import TransferCode
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin, position_lots
from clearing.state.indexes import INSTRUMENT_HOLDERS, holders
from clearing.state.ledger import can_hold, cash_currency


def restore_margins(context: BlockContext, number: int, default: DefaultRecord, accounts: list[int]) -> None:
    """End the positions that these accounts, whose gains were just cut, cannot margin any more."""
    short = [(shortfall, account) for account in accounts if (shortfall := _shortfall(context, account)) > 0]
    if not short:
        return
    instruments = _losing_instruments(context, default)
    existing = _ExistingLots(context, default)
    for shortfall, account in sorted(short, key=lambda each: (-each[0], each[1])):
        for instrument in instruments:
            lots = existing.lots(account, instrument)
            most = min(abs(lots), existing.others(account, instrument, lots))
            size = _fewest_lots(context, account, instrument, most)
            if size:
                ranks = AutoDeleveragingRanking(context, default)
                closed = _close_lots(context, (account, instrument, size if lots > 0 else -size), ranks, existing)
                mark = context.state.marks[instrument].ticks
                context.receipts.append(PositionsTornUp(number, instrument, mark, closed, min(shortfall, MONEY_MAX)))
            shortfall = _shortfall(context, account)
            if shortfall <= 0:
                break


def _shortfall(context: BlockContext, account: int, instrument: int = 0, lots: int = 0) -> int:
    """What the account lacks of initial margin, without these lots of one instrument, in micros; 0 or less: nothing."""
    if not can_hold(context.state, account):
        return 0
    holdings = current_holdings(context.state, account)
    if lots:
        listed = context.terms.instruments[instrument]
        holdings.lots[context.terms.array_index[instrument]] -= lots
        holdings.cash[context.terms.cash_groups.index(listed.cash_group)] += option_value(context, instrument) * lots
    margin = holdings_margin(current_arrays(context.state), holdings)
    return margin.initial - margin.equity


def _losing_instruments(context: BlockContext, default: DefaultRecord) -> list[int]:
    """Instruments in which the defaulter and its clients lost since it was last fully margined, largest loss first."""
    record_position_changes(context)
    accounts = (*default.own_accounts, *default.client_accounts)
    lost = []
    for instrument, gains in gains_since(
        context.state, default.last_margined_height, default.last_margined_marks
    ).items():
        micros = sum(gains.get(account, 0) for account in accounts)
        if micros < 0 and not context.state.marks[instrument].settled:
            lost.append((micros, instrument))
    return [instrument for _, instrument in sorted(lost)]


class _ExistingLots:
    """Lots of today that existed when a default was declared."""

    def __init__(self, context: BlockContext, default: DefaultRecord) -> None:
        self._context = context
        self._since = lots_changed_since(context.state, default.declared_height)
        for account, instrument, lots in default.lots_sold:
            key = (account, instrument)
            self._since[key] = self._since.get(key, 0) - lots

    def lots(self, account: int, instrument: int) -> int:
        """Signed lots of an account; what the house took over counts whole."""
        now = position_lots(self._context.state, account, instrument)
        then = now - self._since.get((account, instrument), 0) if account != HOUSE_ACCOUNT else now
        if now * then <= 0:
            return 0
        return min(now, then) if now > 0 else max(now, then)

    def others(self, account: int, instrument: int, lots: int) -> int:
        """Lots on the other side of a position, of all other accounts together."""
        other = (
            self.lots(holder, instrument)
            for holder in holders(self._context.state, INSTRUMENT_HOLDERS, instrument)
            if holder != account
        )
        return sum(abs(each) for each in other if each * lots < 0)


def _fewest_lots(context: BlockContext, account: int, instrument: int, most: int) -> int:
    """The fewest lots, up to `most`, whose end leaves the smallest shortfall, or none.

    The requirement is convex in a position, so the shortfall falls up to some number of lots, and rises after it.
    """
    direction = 1 if position_lots(context.state, account, instrument) > 0 else -1

    def lacking(size: int) -> int:
        return max(_shortfall(context, account, instrument, direction * size), 0)

    low, high = 0, most
    while low < high:
        middle = (low + high) // 2
        if lacking(middle) > lacking(middle + 1):
            low = middle + 1
        else:
            high = middle
    return low


def _close_lots(
    context: BlockContext, ended: tuple[int, int, int], ranks: AutoDeleveragingRanking, existing: _ExistingLots
) -> tuple[tuple[int, int, int], ...]:
    """End signed lots of an (account, instrument, lots) and of the ranked other side. Returns the receipt's entries."""
    account, instrument, lots = ended
    closed, left, seen = [(account, lots)], abs(lots), {account}
    side = ranks.against(instrument, lots)
    while left and (ranked := side.next_ranked()) is not None:
        # Lots end only below, so an account that is ranked twice, as the house is, would give them twice.
        size = min(left, abs(existing.lots(ranked.account, instrument))) if ranked.account not in seen else 0
        seen.add(ranked.account)
        if size:
            closed.append((ranked.account, size if ranked.lots > 0 else -size))
            left -= size
    for holder, part in closed:
        context.positions.add(holder, instrument, -part)
        context.touched_accounts.add(holder)
    value, currency = option_value(context, instrument), cash_currency(context.terms.instruments[instrument].cash_group)
    amounts = [(holder, part * value) for holder, part in closed]
    context.journal.settle_amounts(amounts, currency, TransferCode.TORN_UP, instrument)
    return tuple((holder, part, part * value) for holder, part in closed)
