"""The rulebook, top to bottom: `apply_block(state, block) -> (state, result)`.

Rule: pure and total. Every well-formed block has exactly one outcome, the same in every replica; the given state is
never changed. It must not know how blocks are agreed on or where collateral is seen.
"""

from collections.abc import Iterable, Iterator

import msgspec

from clearing.base.errors import Rejected, RemoteFault
from clearing.base.header import DepositCursor
from clearing.base.ids import Hash32
from clearing.blocks import Block, BlockResult
from clearing.bridge_facts import apply_bridge_facts
from clearing.calls.margin_calls import check_margins
from clearing.codes import ClearingCode
from clearing.collateral.tending import tend_collateral
from clearing.default.stages import resolve_defaults
from clearing.epoch import close_epoch, snapshot_due
from clearing.exits.tree import held_exit_root
from clearing.fund.collecting import collect_contributions, follow_cash
from clearing.fund.tending import tend_fund
from clearing.gates.passing import call_back, tend_gates
from clearing.genesis import Genesis
from clearing.governance.turning import turn_governance
from clearing.holdings import arrays_of
from clearing.house_margin import check_house
from clearing.invariants import check_block
from clearing.opening import open_state
from clearing.prices.agreement import apply_prices
from clearing.prices.auctions import clear_auctions
from clearing.ranges.delays import watch_withdrawals
from clearing.ranges.update import update_ranges
from clearing.receipts import refused
from clearing.rules import RULES
from clearing.run import Run
from clearing.settling.accrual import accrue
from clearing.settling.mark_to_market import mark_to_market
from clearing.state.indexes import forget_due
from clearing.state.state import State
from clearing.trades.held import novate_held
from clearing.trades.reconciliation import close_days
from clearing.transactions import Transaction
from clearing.validators.changes import begin_entry
from clearing.validators.misbehaviour import note_misbehaviour
from clearing.validators.rotation import finish_change
from clearing.validators.sets import sets_of
from clearing.validators.words import turn_sets
from clearing.withdrawals import release, withdrawals_count
from clearing.withdrawals_tree import withdrawals_root


def apply_block(state: State, block: Block) -> tuple[State, BlockResult]:
    """Apply one block to a fork of `state`, which is returned undecided: `absorb` decides it.

    Cost is proportional to what the block touches. Raises RemoteFault BAD_BLOCK when the block's structure is wrong,
    LocalFault STALE_FORK when `state` was overtaken, Bug when an invariant does not hold.
    """
    block = check_structure(state, block)
    run = Run(state.fork(), block)
    open_block(run)
    turn_sets(run)
    note_misbehaviour(run)
    turn_governance(run)
    accrue(run)
    apply_prices(run)
    update_ranges(run)
    tend_collateral(run)
    follow_cash(run)
    mark_to_market(run)
    clear_auctions(run)
    apply_bridge_facts(run)
    finish_change(run)
    begin_entry(run)
    watch_withdrawals(run)
    close_days(run)
    novate_held(run)
    apply_transactions(run)
    call_back(run)
    check_margins(run)
    collect_contributions(run)
    resolve_defaults(run)
    tend_fund(run)
    check_house(run)
    tend_gates(run)
    release(run)
    close_epoch(run)
    check_block(run)
    return run.state, conclude(run)


def check_structure(state: State, block: Block) -> Block:
    """Check heights, time and extensions; the extensions come back ordered by validator. Raises RemoteFault."""
    # The extensions are of the height below, so by the set that certified it.
    now, validators = state.now, sets_of(state).last
    if block.height != now.height + 1 or block.time_ms < now.time_ms:
        raise RemoteFault(ClearingCode.BAD_BLOCK, "block", height=block.height, after=now.height, time_ms=block.time_ms)
    ordered = tuple(sorted(block.extensions, key=lambda each: each.validator))
    seen = [each.validator for each in ordered]
    if len(set(seen)) != len(seen) or (seen and seen[-1] >= len(validators.validators)):
        raise RemoteFault(ClearingCode.BAD_BLOCK, "block.extensions", validators=len(set(seen)), extensions=len(seen))
    if sum(each.power for each in ordered) > block.total_power:
        raise RemoteFault(ClearingCode.BAD_BLOCK, "block.total_power", total=block.total_power)
    return msgspec.structs.replace(block, extensions=ordered)


def open_block(run: Run) -> None:
    """Move the clock on, and forget trade ids that can no longer be shown again."""
    # Whoever asks for risk arrays while prices are being decided gets those of the last block, as a replica that has
    # just been started has to build them first.
    arrays_of(run.state)
    before = run.state.now
    run.state.clock.put(0, msgspec.structs.replace(before, height=run.block.height, time_ms=run.time_ms))
    forget_due(run.state, before.time_ms, run.time_ms)


def apply_transactions(run: Run) -> None:
    """Step 5: each request atomically, in order, each with a receipt."""
    for index, transaction in enumerate(run.block.transactions):
        rejected = apply_transaction(run, index, transaction)
        if rejected is not None:
            run.receipts.append(refused(index, rejected))


def apply_transaction(run: Run, index: int, transaction: Transaction) -> Rejected | None:
    """One request by the rule of its kind."""
    return RULES[type(transaction)](run, index, transaction)


def conclude(run: Run) -> BlockResult:
    """Step 9: the roots, and what happened."""
    state = run.state
    return BlockResult(
        height=run.block.height,
        receipts=tuple(run.receipts),
        transfers=tuple(run.journal.transfers),
        module_roots=state.module_roots(),
        withdrawals_root=withdrawals_root(state),
        withdrawals_count=withdrawals_count(state),
        exit_root=held_exit_root(state),
        epoch=state.now.epoch,
        snapshot=snapshot_due(state, run.block.height),
        deposit_cursors=deposit_cursors(state),
    )


def deposit_cursors(state: State) -> tuple[DepositCursor, ...]:
    """Per vault, the last credited deposit; ordered by chain."""
    return tuple(
        DepositCursor(chain.chain_id, chain.vault, state.cursors[(chain.chain_id, chain.vault)].nonce)
        for chain in state.terms.chains.values()
    )


def replay(genesis: Genesis, state_salt: bytes, blocks: Iterable[Block]) -> Iterator[tuple[int, tuple[Hash32, ...]]]:
    """Apply a block log from genesis and yield (height, module roots) after each block. Raises as `apply_block`."""
    state = open_state(genesis, state_salt)
    for block in blocks:
        fork, result = apply_block(state, block)
        yield result.height, fork.module_roots()
        state = fork.absorb()
