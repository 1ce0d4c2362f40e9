"""The delay of large inflow: value that came in lately may not leave the network yet.

Rule: facts about a chain can be forged by anybody who forges the endpoints that validators share. So value waits, the
longer the more of it came in, and people have time to notice.

1. A deposit counts with what its owner, and what its chain, brought in within the window. The delay is that of the
   highest step that either sum exceeds, rounded up to an eighth of the longest delay. The whole deposit waits.
2. Waiting inflow is margin as any other money. What leaves the account must leave equity above initial margin by all
   that waits: as much may leave as without the inflow.
3. Inflow that moves keeps its time. What a transfer, or the price of a trade, takes out of an account beyond its own
   spare equity carries as much waiting inflow along. It may be neither swapped nor paid into the fund.
4. A refund of deposits that were not credited waits as long at its vault. A token that cannot be valued waits longest.

Windows are counted in blocks. What another account gains by moves of the market is no transfer: that is bounded by
initial margin alone. It moves no money.
"""

from clearing.base.errors import Rejected
from clearing.base.units import MONEY_MAX
from clearing.context.block_context import BlockContext
from clearing.context.request_checks import owner_key
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.receipts.withdrawals import InflowWaits
from clearing.schema.records.withdrawals import (
    HeldRefundRecord,
    InflowVolumeRecord,
    WaitingInflow,
    WaitingInflowRecord,
)
from clearing.schema.terms.assets import Asset
from clearing.schema.terms.withdrawals import InflowDelayTerms, InflowStep
from clearing.state.holdings import add_to_holdings, current_arrays, current_holdings, holdings_margin
from clearing.state.ledger import soft_credit_of
from clearing.state.state import State

WHOLE_CHAIN = bytes(20)
"""In place of an owner: all that came in over a chain."""
ANY_CHAIN = 0
"""In place of a chain: all that an owner brought in."""
GRAINS = 8
"""Ends of delays are multiples of the longest delay over this, so an account has only so many parts that wait."""
Equities = tuple[int, int] | None
"""Of two accounts before money moves between them; None where nothing of theirs waits."""


def record_inflow(context: BlockContext, account: int, chain_id: int, asset: Asset, units: int) -> None:
    """Make a credited deposit wait, where it is large or part of a large sum."""
    value = _value(context.state, asset, units)
    until = _end_of_delay(context, chain_id, owner_key(context.state, account), value)
    if until and value:
        _add_waiting(context.state, account, {until: value})
        context.receipts.append(InflowWaits(account, chain_id, asset.id, value, until))


def hold_refund(
    context: BlockContext, refund: tuple[int, bytes, int], depositor: bytes, asset: Asset | None, amount: int
) -> None:
    """Make a refund of deposits wait at its vault. `refund`: (chain id, vault, number); `amount`: base units.

    None for a token that is not listed.
    """
    terms = context.terms.genesis.inflow
    if asset is None:
        until = _rounded_up(terms, context.block.height, _longest(terms))
    else:
        value = _value(context.state, asset, min(asset.to_units(amount)[0], MONEY_MAX))
        until = _end_of_delay(context, refund[0], depositor, value)
    before = context.state.held_refunds.get(refund)
    if until > (before.until_height if before else context.block.height):
        context.state.held_refunds.put(refund, HeldRefundRecord(until))


def is_refund_held(context: BlockContext, refund: tuple[int, bytes, int]) -> bool:
    """Whether a refund of deposits waits; the record of one whose time is over is deleted."""
    held = context.state.held_refunds.get(refund)
    if held is None:
        return False
    if context.block.height < held.until_height:
        return True
    context.state.held_refunds.remove(refund)
    return False


def waiting_inflow(state: State, account: int) -> tuple[WaitingInflow, ...]:
    """What may not leave an account yet, ordered by the height from which on it may."""
    record = state.waiting_inflows.get(account)
    return tuple(part for part in record.parts if part.until_height > state.now.height) if record else ()


def check_inflow(context: BlockContext, at: str, account: int, *leaving: tuple[int, int]) -> Rejected | None:
    """Whether an account that pays out (currency, units) keeps its waiting inflow above initial margin."""
    waiting = waiting_inflow(context.state, account)
    if not waiting:
        return None
    micros, (equity, initial) = _total(waiting), _equity_and_initial(context, account, leaving)
    if equity - initial >= micros:
        return None
    until = waiting[-1].until_height
    return reject(
        ClearingCode.INFLOW_WAITS, at, account=account, equity=equity, initial=initial, waiting=micros, until=until
    )


def equities_before(context: BlockContext, account: int, other: int) -> Equities:
    """What `carry_inflow` needs of both accounts before money moves between them."""
    if not (waiting_inflow(context.state, account) or waiting_inflow(context.state, other)):
        return None
    return _equity_and_initial(context, account)[0], _equity_and_initial(context, other)[0]


def carry_inflow(context: BlockContext, account: int, other: int, before: Equities) -> None:
    """After money moved between two accounts: what the giver could not have given without its waiting inflow takes as
    much of it along, the part that waits longest first."""
    if before is None:
        return
    changes = [
        _equity_and_initial(context, side)[0] - earlier for side, earlier in zip((account, other), before, strict=True)
    ]
    for giver, taker, lost, gained in (
        (account, other, -changes[0], changes[1]),
        (other, account, -changes[1], changes[0]),
    ):
        waiting = waiting_inflow(context.state, giver)
        if not waiting or lost <= 0 or gained <= 0:
            continue
        equity, initial = _equity_and_initial(context, giver)
        moved = min(_total(waiting) - max(equity - initial, 0), lost, gained)
        if moved > 0:
            _move_waiting(context.state, giver, taker, waiting, moved)


def drop_ended_inflows(context: BlockContext) -> None:
    """Delete the parts whose time is over, and at the start of a window the sums of earlier ones."""
    state, terms = context.state, context.terms.genesis.inflow
    for account, record in list(state.waiting_inflows.ordered()):
        if record.parts[0].until_height <= context.block.height:
            _put_waiting(state, account, {part.until_height: part.micros for part in waiting_inflow(state, account)})
    if terms.window_blocks and context.block.height % terms.window_blocks == 0:
        window = context.block.height // terms.window_blocks
        for key in [key for key, volume in state.inflow_volumes.ordered() if volume.window != window]:
            state.inflow_volumes.remove(key)


def _end_of_delay(context: BlockContext, chain_id: int, owner: bytes, value: int) -> int:
    """Count an inflow of this value with its owner's and its chain's; the height until which it waits, 0: it does
    not."""
    terms = context.terms.genesis.inflow
    if not terms.window_blocks:
        return 0
    of_owner = _count(context, (ANY_CHAIN, owner), value)
    of_chain = _count(context, (chain_id, WHOLE_CHAIN), value)
    delay = max(_delay_of(terms.owner_steps, of_owner), _delay_of(terms.chain_steps, of_chain))
    return _rounded_up(terms, context.block.height, delay)


def _count(context: BlockContext, key: tuple[int, bytes], value: int) -> int:
    """Add to a sum of this window; the sum afterwards."""
    window = context.block.height // context.terms.genesis.inflow.window_blocks
    volume = context.state.inflow_volumes.get(key)
    micros = min((volume.micros if volume and volume.window == window else 0) + value, MONEY_MAX)
    context.state.inflow_volumes.put(key, InflowVolumeRecord(window, micros))
    return micros


def _delay_of(steps: tuple[InflowStep, ...], micros: int) -> int:
    return max((step.delay_blocks for step in steps if micros > step.above_micros), default=0)


def _longest(terms: InflowDelayTerms) -> int:
    return max((step.delay_blocks for step in (*terms.owner_steps, *terms.chain_steps)), default=0)


def _rounded_up(terms: InflowDelayTerms, height: int, delay: int) -> int:
    """The end of a delay that begins now; 0 without one."""
    if not delay:
        return 0
    grain = -(-_longest(terms) // GRAINS)
    return -(-(height + delay) // grain) * grain


def _value(state: State, asset: Asset, units: int) -> int:
    """Micros of value after haircut, as an account's equity has it."""
    if asset.is_cash:
        return units
    prices = zip(state.terms.tokens, current_arrays(state).token_prices, strict=True)
    return min(next(int(price) for token, price in prices if token.id == asset.id) * units, MONEY_MAX)


def _equity_and_initial(
    context: BlockContext, account: int, leaving: tuple[tuple[int, int], ...] = ()
) -> tuple[int, int]:
    """Micros, after (currency, units) have left. Loans of soft credit are not the account's own."""
    after = current_holdings(context.state, account)
    for currency, units in leaving:
        add_to_holdings(context.state, after, currency, -units)
    for index, group in enumerate(context.terms.cash_groups):
        after.cash[index] -= soft_credit_of(context.state, account, group)
    margin = holdings_margin(current_arrays(context.state), after)
    return margin.equity, margin.initial


def _total(parts: tuple[WaitingInflow, ...]) -> int:
    return sum(part.micros for part in parts)


def _move_waiting(state: State, giver: int, taker: int, waiting: tuple[WaitingInflow, ...], micros: int) -> None:
    left, moved = {part.until_height: part.micros for part in waiting}, dict[int, int]()
    for part in reversed(waiting):
        taken = min(part.micros, micros)
        micros -= taken
        if taken:
            left[part.until_height] -= taken
            moved[part.until_height] = taken
    _put_waiting(state, giver, left)
    _add_waiting(state, taker, moved)


def _add_waiting(state: State, account: int, added: dict[int, int]) -> None:
    parts = {part.until_height: part.micros for part in waiting_inflow(state, account)}
    for until, micros in added.items():
        parts[until] = min(parts.get(until, 0) + micros, MONEY_MAX)
    _put_waiting(state, account, parts)


def _put_waiting(state: State, account: int, parts: dict[int, int]) -> None:
    kept = tuple(WaitingInflow(until, micros) for until, micros in sorted(parts.items()) if micros)
    if kept:
        state.waiting_inflows.put(account, WaitingInflowRecord(kept))
    elif account in state.waiting_inflows:
        state.waiting_inflows.remove(account)
