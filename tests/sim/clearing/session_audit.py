"""What must hold of who signed a trade: computed apart from the rules, from keys, records and receipts.

Rule: as `tests.sim.clearing.audit`. Each side of a novated trade signed it by its member's key, or by a session key
that this key named, within each of its limits.
"""

from collections.abc import Iterable, Sequence

from clearing.base.ids import NetworkId
from clearing.base.units import DAY_MS
from clearing.schema.blocks.receipt import Receipt
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.receipts.trades import TradeNovated, TradePending
from clearing.schema.records.trades import SessionKeyLimits
from clearing.schema.requests.trades import Trade, TradeBundle, TradeReport
from clearing.state.state import State
from tests.sim.clearing.signatures import recover_known
from tests.sim.violation import require


def sides_of(request: Transaction) -> tuple[tuple[int, bytes], ...]:
    """(account, signature) of those who signed a new trade themselves."""
    if isinstance(request, TradeBundle):
        return (request.account, request.signature), (request.counterparty, request.counterparty_signature)
    if isinstance(request, Trade | TradeReport):
        sides = ((request.buyer, request.buyer_signature), (request.seller, request.seller_signature))
        return tuple(each for each in sides if each[1])
    return ()


def audit_signers(after: State, network: NetworkId, request: Transaction, receipts: Sequence[Receipt]) -> None:
    """The request was accepted with these receipts."""
    made = [each for each in receipts if isinstance(each, TradeNovated | TradePending)]
    for account, signature in sides_of(request):
        signer = recover_known(request.digest(network), signature)
        member = after.members[after.accounts[account].member]
        if signer == member.trade_address:
            continue
        record = after.session_keys.get(account)
        named = record is not None and record.named_by == member.trade_address
        limits = next((each for each in record.keys if each.key == signer), None) if record and named else None
        require(limits is not None, "a trade was signed by nobody who may", request=request, account=account)
        if limits is not None and made:
            audit_limits(after, limits, made)


def audit_limits(after: State, limits: SessionKeyLimits, made: Iterable[TradeNovated | TradePending]) -> None:
    """Each trade is within the limits of one, and the day's use within those of a day."""
    require(after.now.time_ms <= limits.expires_ms, "a session key signed after its time", limits=limits)
    counted = 0
    for trade in made:
        terms = after.terms.instruments[trade.instrument]
        worth = trade.lots * max(trade.ticks, terms.strike_ticks) * terms.micros_per_tick
        within = trade.lots <= limits.lots_max and worth <= limits.notional_max
        require(within, "a session key signed a trade beyond its limits", trade=trade, limits=limits)
        counted += worth
    today = limits.day == after.now.time_ms // DAY_MS and counted <= limits.used_notional <= limits.day_notional_max
    require(today, "a session key signed more than a day may have", limits=limits, counted=counted)
