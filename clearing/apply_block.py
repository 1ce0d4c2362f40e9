"""The rulebook, top to bottom: `apply_block(state, block) -> (state, result)`.

Rule: pure and total. Every well-formed block has exactly one outcome, the same in every replica; the given state is
never changed. Every phase is called here, in order. This module must not know how blocks are agreed on or where
collateral is seen.
"""

from collections.abc import Iterable, Iterator

import msgspec

from clearing.base.errors import Rejected, RemoteFault
from clearing.base.header import DepositCursor
from clearing.base.ids import Hash32
from clearing.collateral.cash_tokens import check_pegs
from clearing.collateral.haircuts import refresh_haircuts, update_chain_silence
from clearing.collateral.interest import accrue_interest
from clearing.context.block_context import BlockContext
from clearing.context.member_status import lift_restrictions
from clearing.default.resolution import resolve_defaults
from clearing.default_fund.contribution_calls import collect_contribution_calls, convert_contributions
from clearing.default_fund.sizing import update_fund
from clearing.deposits.bridge_facts import apply_bridge_facts
from clearing.epochs.exit_tree import stored_exit_root
from clearing.epochs.snapshot import close_epoch, snapshot_due
from clearing.governance.enactment import enact_governance
from clearing.invariants import check_block
from clearing.margin_calls.cash_calls import end_met_cash_calls
from clearing.margin_calls.margin_calls import check_house_margin, check_margins
from clearing.opening import initial_state
from clearing.price_ranges.delays import observe_withdrawals
from clearing.price_ranges.update import update_ranges
from clearing.prices.index_prices import agree_prices
from clearing.schema.blocks.block import BlockInput, BlockResult
from clearing.schema.blocks.receipt import refused_receipt
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.codes import ClearingCode
from clearing.schema.terms.genesis import Genesis
from clearing.settlement.accrual import accrue_time
from clearing.settlement.mark_to_market import mark_to_market
from clearing.state.holdings import current_arrays
from clearing.state.indexes import drop_expired
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
from clearing.withdrawals.release import release_withdrawals, withdrawals_count
from clearing.withdrawals.withdrawal_controls import process_delayed_withdrawals, recall_withdrawals


def apply_block(state: State, block: BlockInput) -> tuple[State, BlockResult]:
    """Apply one block to a fork of `state`, which is returned undecided: `absorb` decides it.

    Cost is proportional to what the block touches. Raises RemoteFault BAD_BLOCK when the block's structure is wrong,
    LocalFault STALE_FORK when `state` was overtaken, Bug when an invariant does not hold.
    """
    block = check_block_structure(state, block)
    context = BlockContext(state.fork(), block)
    open_block(context)
    transition_validator_sets(context)
    record_misbehaviour(context)
    enact_governance(context)
    accrue_time(context)
    agree_prices(context)
    update_ranges(context)
    update_collateral(context)
    convert_contributions(context)
    mark_to_market(context)
    clear_auctions(context)
    apply_bridge_facts(context)
    finish_set_change(context)
    begin_due_addition(context)
    observe_withdrawals(context)
    close_venue_days(context)
    novate_pending(context)
    apply_transactions(context)
    recall_withdrawals(context)
    check_margins(context)
    collect_contribution_calls(context)
    resolve_defaults(context)
    update_fund(context)
    check_house_margin(context)
    process_delayed_withdrawals(context)
    release_withdrawals(context)
    close_epoch(context)
    check_block(context)
    return context.state, block_result(context)


def check_block_structure(state: State, block: BlockInput) -> BlockInput:
    """Check heights, time and extensions; the extensions come back ordered by validator. Raises RemoteFault."""
    # The extensions are of the height below, so by the set that certified it.
    now, validators = state.now, validator_sets(state).last
    if block.height != now.height + 1 or block.time_ms < now.time_ms:
        raise RemoteFault(ClearingCode.BAD_BLOCK, "block", height=block.height, after=now.height, time_ms=block.time_ms)
    ordered = tuple(sorted(block.extensions, key=lambda each: each.validator))
    seen = [each.validator for each in ordered]
    if len(set(seen)) != len(seen) or (seen and seen[-1] >= len(validators.validators)):
        raise RemoteFault(ClearingCode.BAD_BLOCK, "block.extensions", validators=len(set(seen)), extensions=len(seen))
    if sum(each.power for each in ordered) > block.total_power:
        raise RemoteFault(ClearingCode.BAD_BLOCK, "block.total_power", total=block.total_power)
    return msgspec.structs.replace(block, extensions=ordered)


def open_block(context: BlockContext) -> None:
    """Move the clock on, and forget trade ids that can no longer be shown again."""
    # Whoever asks for risk arrays while prices are being decided gets those of the last block, as a replica that has
    # just been started has to build them first.
    current_arrays(context.state)
    before = context.state.now
    context.state.clock.put(0, msgspec.structs.replace(before, height=context.block.height, time_ms=context.time_ms))
    drop_expired(context.state, before.time_ms, context.time_ms)


def apply_transactions(context: BlockContext) -> None:
    """Step 5: each request atomically, in order, each with a receipt."""
    for index, transaction in enumerate(context.block.transactions):
        rejected = apply_transaction(context, index, transaction)
        if rejected is not None:
            context.receipts.append(refused_receipt(index, rejected))


def apply_transaction(context: BlockContext, index: int, transaction: Transaction) -> Rejected | None:
    """One request by the rule of its kind."""
    return TRANSACTION_HANDLERS[type(transaction)](context, index, transaction)


def block_result(context: BlockContext) -> BlockResult:
    """Step 9: the roots, and what happened."""
    state = context.state
    return BlockResult(
        height=context.block.height,
        receipts=tuple(context.receipts),
        transfers=tuple(context.journal.transfers),
        module_roots=state.module_roots(),
        withdrawals_root=withdrawals_root(state),
        withdrawals_count=withdrawals_count(state),
        exit_root=stored_exit_root(state),
        epoch=state.now.epoch,
        snapshot_due=snapshot_due(state, context.block.height),
        deposit_cursors=deposit_cursors(state),
    )


def deposit_cursors(state: State) -> tuple[DepositCursor, ...]:
    """Per vault, the last credited deposit; ordered by chain."""
    return tuple(
        DepositCursor(chain.chain_id, chain.vault, state.deposit_cursors[(chain.chain_id, chain.vault)].nonce)
        for chain in state.terms.chains.values()
    )


def replay(
    genesis: Genesis, state_salt: bytes, blocks: Iterable[BlockInput]
) -> Iterator[tuple[int, tuple[Hash32, ...]]]:
    """Apply a block log from genesis and yield (height, module roots) after each block. Raises as `apply_block`."""
    state = initial_state(genesis, state_salt)
    for block in blocks:
        fork, result = apply_block(state, block)
        yield result.height, fork.module_roots()
        state = fork.absorb()


def update_collateral(context: BlockContext) -> None:
    """Judge cash tokens, work out haircuts, settle interest, end what is over."""
    update_chain_silence(context)
    check_pegs(context)
    refresh_haircuts(context)
    accrue_interest(context)
    end_met_cash_calls(context)
    lift_restrictions(context)
