"""What must hold after each operation and each block, computed apart from the rules that it judges.

Rule: formulas are written anew here, with exact fractions; of the product it uses the state and the receipts. Raises
`Violation`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from typing import Any
from unittest.mock import patch

import clearing.apply_block
from clearing.base.errors import Rejected
from clearing.base.ids import HOUSE_ACCOUNT
from clearing.base.units import POSITION_MAX
from clearing.context.block_context import BlockContext
from clearing.schema.blocks.block import BlockResult
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.receipts.liquidation import BackstopTakeover, Liquidated, SliceSold
from clearing.schema.receipts.settlement import FundingPaid
from clearing.schema.receipts.trades import TradeNovated
from clearing.schema.receipts.withdrawals import WithdrawalReleased
from clearing.schema.records.prices import FeedStatus, Mark
from clearing.schema.requests.auctions import LiquidationBid
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin, positions_of
from clearing.state.ledger import STRAY_ACCOUNT, inventory_units
from clearing.state.state import State
from tests.kit.clearing.exits import promised_at_exit
from tests.kit.clearing.whole_state import check_whole_state
from tests.sim.clearing.exchange import STORY_MARKET
from tests.sim.clearing.session_audit import audit_signers
from tests.sim.clearing.variant_audit import Operation
from tests.sim.violation import require

rulebook: Any = clearing.apply_block


ReportedPrices = Sequence[tuple[int, dict[int, int]]]
"""What honest validators reported, newest last: (block time, ticks by feed)."""


def audit_block(after: State, result: BlockResult, reported: ReportedPrices) -> None:
    check_whole_state(after)
    for receipt in result.receipts:
        if isinstance(receipt, TradeNovated):
            audit_trade(after, receipt)
        elif isinstance(receipt, Liquidated):
            audit_liquidation(after, receipt, reported)
        elif isinstance(receipt, WithdrawalReleased):
            # A refund is in base units, and may be less than a clearing unit.
            size = receipt.units if receipt.account != STRAY_ACCOUNT else int.from_bytes(receipt.amount, "big")
            require(size > 0, "a withdrawal of nothing", nonce=receipt.nonce)
        elif isinstance(receipt, FundingPaid):
            require(
                0 <= receipt.rounding == receipt.paid - receipt.received, "funding that made money", receipt=receipt
            )
    for feed, found in after.feeds.ordered():
        good = found.status != FeedStatus.OPEN or is_fresh(after, feed, reported)
        require(good, "an open price that nobody honest reported", feed=feed, found=found)
    if result.snapshot_due:
        promised = promised_at_exit(after)
        for asset in after.terms.assets.values():
            now = (
                after.terms.collateral_after_leaving[asset.id]
                if inventory_units(after, asset) == 0 and asset.has_depeg_guard
                else asset
            )
            there = max(inventory_units(after, asset) * asset.base_units, inventory_units(after, now) * now.base_units)
            delayed = [each for _, each in after.delayed_withdrawals.ordered() if each.asset == asset.id]
            waiting = sum(int.from_bytes(each.amount, "big") for each in delayed)
            good = promised[asset.id] <= there + waiting
            require(good, "exits beyond custody", asset=asset.id)


def is_fresh(after: State, feed: int, reported: ReportedPrices) -> bool:
    """Whether an honest validator reported the feed's price so lately that it may be used."""
    oldest = after.now.time_ms - STORY_MARKET.report_age_ms_max
    return any(ticks.get(feed) == after.feeds[feed].ticks for time_ms, ticks in reported if time_ms >= oldest)


def is_good_price(after: State, feed: int, reported: ReportedPrices) -> bool:
    """Whether positions may be closed out at it: fresh, or stale within its grace."""
    found = after.feeds[feed]
    if found.status == FeedStatus.OPEN:
        return is_fresh(after, feed, reported)
    grace = after.now.height - found.since_height < STORY_MARKET.prices.grace_blocks
    return found.status == FeedStatus.STALE and grace


def audit_trade(after: State, receipt: TradeNovated) -> None:
    """Fee rounded up against both sides, variation exact."""
    instrument = after.terms.instruments[receipt.instrument]
    tick = instrument.micros_per_tick
    at_least = Fraction(receipt.lots * receipt.ticks * tick * after.terms.market.trade_fee_ppm, 10**6)
    require(at_least <= receipt.fee_each, "a fee rounded towards the member", receipt=receipt)
    price = receipt.mark_ticks - receipt.ticks if instrument.is_marked else -receipt.ticks
    require(receipt.buyer_received == price * receipt.lots * tick, "a trade paid at another price", receipt=receipt)


def audit_liquidation(after: State, receipt: Liquidated, reported: ReportedPrices) -> None:
    """The whole fraction at once, penalties rounded up and paid out of equity."""
    audit_taken(after, receipt, reported)
    terms, owed = after.terms, Fraction(0)
    numerator, denominator = receipt.fraction
    for taken in receipt.positions:
        good = abs(taken.lots) * denominator >= abs(taken.of_lots) * numerator or is_full(after, taken.instrument)
        require(good, "fewer lots taken than the fraction", taken=taken)
        value = abs(taken.lots) * terms.instruments[taken.instrument].micros_per_tick * taken.mark_ticks
        owed += Fraction(value * terms.market.liquidation_penalty_ppm, 10**6)
    least = min(owed, Fraction(max(receipt.equity, 0)))
    require(receipt.penalty >= least, "a penalty rounded towards the member", receipt=receipt, owed=float(owed))
    require(not receipt.deficits or receipt.equity_after >= 0, "a deficit covered and more owed", receipt=receipt)


def audit_taken(after: State, receipt: Liquidated | SliceSold | BackstopTakeover, reported: ReportedPrices) -> None:
    """Nobody takes from the house, off the mark, on prices that are not good, or more than there is."""
    require(receipt.account != HOUSE_ACCOUNT, "the house liquidated", receipt=receipt)
    for taken in receipt.positions:
        feed = after.terms.instruments[taken.instrument].feed
        require(is_good_price(after, feed, reported), "liquidated on a price that is not good", taken=taken)
        require(taken.mark_ticks == after.marks[taken.instrument].ticks, "liquidated off the mark", taken=taken)
        require(abs(taken.lots) <= abs(taken.of_lots) and taken.lots * taken.of_lots > 0, "took too much", taken=taken)


def is_full(after: State, instrument: int) -> bool:
    """Whether the house can take no more lots."""
    return abs(dict(positions_of(after, HOUSE_ACCOUNT).lots).get(instrument, 0)) >= POSITION_MAX - 1


class Watch:
    """Looks on while a block is applied: after each request, and at the marks from the first request to the end."""

    def __init__(self) -> None:
        self.operations = 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """While it lasts, blocks are watched."""
        judge, requests, conclude = rulebook.apply_transaction, rulebook.apply_transactions, rulebook.check_block
        marks: dict[int, Mark] = {}

        def judged(context: BlockContext, index: int, transaction: Transaction) -> Rejected | None:
            before = len(context.journal.transfers), len(context.receipts), len(context.accepted_withdrawals)
            operation = Operation(context, transaction)
            rejected: Rejected | None = judge(context, index, transaction)
            context.journal.check_conserved()
            context.positions.check_matched()
            after = len(context.journal.transfers), len(context.receipts), len(context.accepted_withdrawals)
            require(rejected is None or before == after, "a refused request left something", request=transaction)
            if rejected is None and isinstance(transaction, LiquidationBid):
                left = holdings_margin(
                    current_arrays(context.state), current_holdings(context.state, transaction.account)
                )
                require(left.initial_ok, "a bidder without margin took a slice", bid=transaction)
            if rejected is None:
                operation.accepted()
                audit_signers(context.state, context.terms.network, transaction, context.receipts[before[1] :])
            self.operations += rejected is None
            return rejected

        def began(context: BlockContext) -> None:
            marks.clear()
            marks.update(context.state.marks.ordered())
            requests(context)

        def ended(context: BlockContext) -> None:
            require(marks == dict(context.state.marks.ordered()), "a mark moved by requests or liquidations")
            conclude(context)

        watched = {"apply_transaction": judged, "apply_transactions": began, "check_block": ended}
        with patch.multiple(rulebook, **watched):
            yield
