"""The rulebook, top to bottom: `apply_block(state, block) -> (state, result)`.

Rule: pure and total. Every well-formed block has exactly one outcome, the same in every replica; the given state is
never changed. The phases below run in this order, and docstrings elsewhere name them by these numbers. This module
must not know how blocks are agreed on or where collateral is seen.

 1. Open: the clock moves on, a due protocol version begins, and expired trade ids are dropped.
 2. Governance: validator sets, misbehaviour, amendments that take effect.
 3. Time: averaging windows, premia and funding accrue for the time that has passed.
 4. Prices: index prices, feed statuses, live surfaces, price scan ranges.
 5. Collateral: chain silence, pegs, haircuts, interest, cash calls and restrictions that end.
 6. Settlement: mark-to-market, expiry, funding, reopening auctions.
 7. Bridge facts: deposits, custody, validator changes that follow from them, observed withdrawals.
 8. Due trades: venue days that close, pending trades that are novated.
 9. Transactions: each request, in order.
10. Margin: recalled withdrawals, margin calls, liquidation.
11. Losses: contribution calls, defaults, the waterfall, the house's inventory, the fund's size, the house's margin.
12. Withdrawals: delayed ones are processed, accepted ones and refunds of deposits enter the withdrawals tree.
13. Close: the epoch's snapshot, the invariants, the roots.
"""

import msgspec

from clearing.base.errors import Rejected, RemoteFault
from clearing.base.header import DepositCursor
from clearing.base.protocol import RELEASE_VERSIONS, ProtocolVersions
from clearing.collateral.cash_tokens import check_pegs
from clearing.collateral.haircut_rates import refresh_haircuts, update_chain_silence
from clearing.collateral.interest import accrue_interest
from clearing.context.block_context import BlockContext
from clearing.context.member_status import lift_restrictions
from clearing.default.disposal import manage_inventory
from clearing.default.resolution import resolve_defaults
from clearing.default_fund.contribution_calls import collect_contribution_calls, convert_contributions
from clearing.default_fund.growth_calls import call_stress_growth
from clearing.default_fund.sizing import update_fund
from clearing.deposits.bridge_facts import apply_bridge_facts
from clearing.deposits.deposit_refunds import release_refunds
from clearing.epochs.exit_tree import header_exit_root
from clearing.epochs.snapshot import close_epoch, snapshot_due
from clearing.governance.enactment import enact_governance
from clearing.governance.upgrades import begin_due_upgrade
from clearing.invariants import check_block
from clearing.margin_calls.cash_calls import end_met_cash_calls
from clearing.margin_calls.margin_calls import call_after_losses, check_house_margin, check_margins
from clearing.price_ranges.delays import observe_withdrawals
from clearing.price_ranges.update import update_ranges
from clearing.prices.index_prices import agree_prices
from clearing.prices.live_surfaces import agree_surfaces
from clearing.schema.blocks.block import BlockInput, BlockResult
from clearing.schema.blocks.receipt import refused_receipt
from clearing.schema.blocks.transaction import BLOCK_TRADES_MAX, Transaction, trades_asked
from clearing.schema.codes import ClearingCode
from clearing.settlement.accrual import accrue_time
from clearing.settlement.mark_to_market import mark_to_market
from clearing.state.holdings import current_arrays
from clearing.state.indexes import drop_expired
from clearing.state.protocol_version import check_version
from clearing.state.state import State
from clearing.state.withdrawals_tree import withdrawals_root
from clearing.trades.pending_trades import novate_pending
from clearing.trades.reconciliation import close_venue_days
from clearing.trades.reopening_auctions import clear_auctions
from clearing.transaction_handlers import TRANSACTION_HANDLERS
from clearing.validators.misbehaviour import record_misbehaviour
from clearing.validators.set_changes import begin_due_addition
from clearing.validators.set_transition import finish_set_change, transition_validator_sets
from clearing.validators.validator_sets import validator_sets
from clearing.withdrawals.delayed_release import process_delayed_withdrawals, recall_withdrawals
from clearing.withdrawals.release import release_withdrawals, withdrawals_count


def apply_block(
    state: State, block: BlockInput, release: ProtocolVersions = RELEASE_VERSIONS
) -> tuple[State, BlockResult]:
    """Apply one block to a fork of `state`, which is returned undecided: `absorb` decides it.

    Cost is proportional to what the block touches. Raises RemoteFault BAD_BLOCK when the block's structure is wrong,
    LocalFault RELEASE_TOO_OLD or RELEASE_TOO_NEW when this release lacks the rules of its height, STALE_FORK when
    another fork was decided, Bug when an invariant is violated.
    """
    check_version(state, block.height, release)
    context = BlockContext(state.fork(), check_block_structure(state, block))
    open_block(context)
    apply_governance(context)
    accrue_time(context)
    decide_prices(context)
    update_collateral(context)
    settle_positions(context)
    take_in_facts(context)
    finish_due_trades(context)
    apply_transactions(context)
    call_margin(context)
    cover_losses(context)
    pay_withdrawals(context)
    close_block(context)
    return context.state, block_result(context)


def check_block_structure(state: State, block: BlockInput) -> BlockInput:
    """Check heights, time, extensions and the number of trades. Returns the block with extensions ordered by validator.

    Raises RemoteFault.
    """
    # The extensions are of the previous height, so their indices refer to the set that certified it.
    now, validators = state.now, validator_sets(state).last
    if block.height != now.height + 1 or block.time_ms < now.time_ms:
        raise RemoteFault(ClearingCode.BAD_BLOCK, "block", height=block.height, after=now.height, time_ms=block.time_ms)
    ordered = tuple(sorted(block.extensions, key=lambda extension: extension.validator))
    seen = [extension.validator for extension in ordered]
    if len(set(seen)) != len(seen) or (seen and seen[-1] >= len(validators.validators)):
        raise RemoteFault(ClearingCode.BAD_BLOCK, "block.extensions", validators=len(set(seen)), extensions=len(seen))
    if sum(extension.power for extension in ordered) > block.total_power:
        raise RemoteFault(ClearingCode.BAD_BLOCK, "block.total_power", total=block.total_power)
    asked = sum(map(trades_asked, block.transactions))
    if asked > BLOCK_TRADES_MAX:
        raise RemoteFault(ClearingCode.BAD_BLOCK, "block.transactions", trades=asked, limit=BLOCK_TRADES_MAX)
    return msgspec.structs.replace(block, extensions=ordered)


def open_block(context: BlockContext) -> None:
    """Phase 1: advance the clock, change the protocol version where that is due, and delete trade ids that can no
    longer be submitted again."""
    # Risk arrays used during price agreement are those of the last block: a replica that has just started must build
    # them first.
    current_arrays(context.state)
    before = context.state.now
    context.state.clock.put(0, msgspec.structs.replace(before, height=context.block.height, time_ms=context.time_ms))
    begin_due_upgrade(context)
    drop_expired(context.state, before.time_ms, context.time_ms)


def apply_governance(context: BlockContext) -> None:
    """Phase 2: who validates this block, who is reported for misbehaviour, and which terms are in force."""
    transition_validator_sets(context)
    record_misbehaviour(context)
    enact_governance(context)


def decide_prices(context: BlockContext) -> None:
    """Phase 4: index prices and feed statuses, live surfaces, then the price scan ranges that follow from prices."""
    agree_prices(context)
    agree_surfaces(context)
    update_ranges(context)


def update_collateral(context: BlockContext) -> None:
    """Phase 5: collateral values, cash interest, and the end of calls and restrictions."""
    update_chain_silence(context)
    check_pegs(context)
    refresh_haircuts(context)
    accrue_interest(context)
    end_met_cash_calls(context)
    lift_restrictions(context)
    convert_contributions(context)


def settle_positions(context: BlockContext) -> None:
    """Phase 6: positions are marked and settled, and feeds that reopened trade first in their auctions."""
    mark_to_market(context)
    clear_auctions(context)


def take_in_facts(context: BlockContext) -> None:
    """Phase 7: bridge facts, and what follows from them for validators and withdrawals."""
    apply_bridge_facts(context)
    finish_set_change(context)
    begin_due_addition(context)
    observe_withdrawals(context)


def finish_due_trades(context: BlockContext) -> None:
    """Phase 8: venue days that are over, and pending trades whose time has come."""
    close_venue_days(context)
    novate_pending(context)


def apply_transactions(context: BlockContext) -> None:
    """Phase 9: each request atomically, in order, each with a receipt."""
    for index, transaction in enumerate(context.block.transactions):
        rejected = apply_transaction(context, index, transaction)
        if rejected is not None:
            context.receipts.append(refused_receipt(index, rejected))


def apply_transaction(context: BlockContext, index: int, transaction: Transaction) -> Rejected | None:
    """Apply one request by the handler of its kind."""
    return TRANSACTION_HANDLERS[type(transaction)](context, index, transaction)


def call_margin(context: BlockContext) -> None:
    """Phase 10: margin of every account that was touched; withdrawals that it still needs are recalled first."""
    recall_withdrawals(context)
    check_margins(context)


def cover_losses(context: BlockContext) -> None:
    """Phase 11: contributions that are due, defaults, the house's inventory, the fund's size, then who is called for
    what these took, and the house's own margin."""
    collect_contribution_calls(context)
    resolve_defaults(context)
    manage_inventory(context)
    update_fund(context)
    call_stress_growth(context)
    call_after_losses(context)
    check_house_margin(context)


def pay_withdrawals(context: BlockContext) -> None:
    """Phase 12: last, so that nothing leaves that an earlier phase of this block needs."""
    process_delayed_withdrawals(context)
    release_withdrawals(context)
    release_refunds(context)


def close_block(context: BlockContext) -> None:
    """Phase 13: the epoch ends when it is due, and the invariants are checked. Raises Bug."""
    close_epoch(context)
    check_block(context)


def block_result(context: BlockContext) -> BlockResult:
    """The roots after the last phase, and what happened."""
    state = context.state
    return BlockResult(
        height=context.block.height,
        receipts=tuple(context.receipts),
        transfers=tuple(context.journal.transfers),
        module_roots=state.module_roots(),
        withdrawals_root=withdrawals_root(state),
        withdrawals_count=withdrawals_count(state),
        exit_root=header_exit_root(state),
        epoch=state.now.epoch,
        snapshot_due=snapshot_due(state, context.block.height),
        deposit_cursors=deposit_cursors(state),
    )


def deposit_cursors(state: State) -> tuple[DepositCursor, ...]:
    """The last credited deposit of each vault; ordered by chain."""
    return tuple(
        DepositCursor(chain.chain_id, chain.vault, state.deposit_cursors[(chain.chain_id, chain.vault)].nonce)
        for chain in state.terms.chains.values()
    )
