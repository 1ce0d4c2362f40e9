"""Bridge facts: attested until more than two thirds of the power agree, then applied once, deposits included.

Rule: deposits of a vault are credited in the order of their nonces, each exactly once. A deposit that cannot be
credited is a stray (`clearing.deposits.stray_deposits`), and never blocks the others. A validator has one attestation
per event. Between an epoch's boundary and its close, for a bounded number of blocks, a deposit newer than its asset's
custody evidence waits. This module must not know how a fact was observed.
"""

from clearing.collateral.cash_tokens import current_asset, is_beyond_band
from clearing.context.block_context import BlockContext
from clearing.deposits.crediting import credit_deposit, why_not_credited
from clearing.deposits.custody import count_custody_attestation
from clearing.deposits.deposit_refunds import confirm_refund, queue_refund_again
from clearing.deposits.soft_credit import count_sighting, recall_soft_credit, settle_soft_credit
from clearing.deposits.stray_deposits import record_stray, settle_strays
from clearing.schema.blocks.deposit_batch import read_facts
from clearing.schema.codes import ClearingCode
from clearing.schema.facts import (
    ChainHeartbeat,
    CustodySeen,
    DepositSeen,
    DepositSighted,
    ValidatorsRotated,
    VaultFact,
    WithdrawalExecuted,
    WithdrawalNotExecuted,
    fact_key,
)
from clearing.schema.receipts.withdrawals import WithdrawalConfirmed
from clearing.schema.records.collateral import (
    AgreedDepositRecord,
    Attestation,
    DepositCursorRecord,
    FlowAmounts,
    HeartbeatRecord,
)
from clearing.state.asset_flows import change_flow
from clearing.validators.chain_attestations import add_attestation, agreed_power, is_detached
from clearing.validators.set_transition import is_rotation_awaited, record_rotation
from clearing.withdrawals.refunds import (
    count_expiry_attestation,
    drop_withdrawal_attestations,
    is_withdrawal_open,
)
from clearing.withdrawals.release import confirm_withdrawal


def apply_bridge_facts(context: BlockContext) -> None:
    """Phase 7: count attestations, apply what a quorum agrees on, credit strays and new deposits in order."""
    for attestation in context.attestations_to_recount:
        count_attestation(context, attestation)
    for observed in context.block.extensions:
        for fact in read_facts(observed.extension.facts) if observed.extension else ():
            count_attestation(context, Attestation(observed.validator, observed.power, fact))
    settle_strays(context)
    for chain in context.terms.chains.values():
        if not is_detached(context.state, chain.chain_id, chain.vault):
            _credit_deposits_in_order(context, chain.chain_id, chain.vault)
    recall_soft_credit(context)


def count_attestation(context: BlockContext, attestation: Attestation) -> None:
    """Store one validator's attestation; apply the fact when a quorum attests the same."""
    fact = attestation.fact
    if isinstance(fact, ChainHeartbeat):
        _record_heartbeat(context, attestation, fact)
    elif is_detached(context.state, fact.chain_id, fact.vault):
        return  # Nothing of a detached vault is accepted any more, nor are its counters counted.
    elif isinstance(fact, CustodySeen):
        count_custody_attestation(context, attestation, fact)
    elif isinstance(fact, DepositSighted):
        count_sighting(context, attestation, fact)
    elif isinstance(fact, WithdrawalNotExecuted):
        if count_expiry_attestation(context, attestation, fact):
            queue_refund_again(context.state, fact.nonce)
    elif is_attestable(context, fact):
        key = fact_key(fact)
        attestations = add_attestation(context.state.fact_attestations.get(key), attestation)
        if agreed_power(attestations, fact) * 3 <= context.block.total_power * 2:
            context.state.fact_attestations.put(key, attestations)
            return
        context.state.fact_attestations.remove(key)
        if isinstance(fact, DepositSeen):
            context.state.agreed_deposits.put((fact.chain_id, fact.vault, fact.nonce), AgreedDepositRecord(fact))
        elif isinstance(fact, ValidatorsRotated):
            record_rotation(context, fact)
        else:
            confirm_withdrawal(context.state, fact.nonce)
            confirm_refund(context.state, fact.nonce)
            drop_withdrawal_attestations(context, fact.chain_id, fact.vault, fact.nonce)
            context.receipts.append(
                WithdrawalConfirmed(fact.nonce, fact.chain_id, fact.vault, fact.block_number, fact.source)
            )


def is_attestable(context: BlockContext, fact: VaultFact) -> bool:
    """Whether the event has not been applied and can be soon; only then attestations are stored."""
    if isinstance(fact, ValidatorsRotated):
        return is_rotation_awaited(context.state, fact)
    if isinstance(fact, WithdrawalExecuted):
        released = context.state.withdrawals.get(fact.nonce)
        ours = released is not None and (released.chain_id, released.vault) == (fact.chain_id, fact.vault)
        return ours and is_withdrawal_open(context.state, fact.nonce)
    cursor = context.state.deposit_cursors.get((fact.chain_id, fact.vault))
    if cursor is None or (fact.chain_id, fact.vault, fact.nonce) in context.state.agreed_deposits:
        return False
    return cursor.nonce < fact.nonce <= cursor.nonce + context.terms.market.deposit_window


def _record_heartbeat(context: BlockContext, attestation: Attestation, fact: ChainHeartbeat) -> None:
    before = context.state.heartbeats.get((fact.chain_id, attestation.validator))
    if fact.chain_id in context.terms.chains and (before is None or before.block_number < fact.block_number):
        context.state.heartbeats.put(
            (fact.chain_id, attestation.validator),
            HeartbeatRecord(attestation.power, fact.block_number, context.time_ms),
        )


def _credit_deposits_in_order(context: BlockContext, chain_id: int, vault: bytes) -> None:
    """Credit every agreed deposit that follows the last credited one without a gap.

    A deposit of a token beyond its price band waits until the token is back or has left, and all later deposits with
    it.
    """
    cursor = context.state.deposit_cursors.get((chain_id, vault))
    nonce = cursor.nonce if cursor else 0
    while (waiting := context.state.agreed_deposits.get((chain_id, vault, nonce + 1))) is not None:
        asset = context.terms.assets_by_token.get((chain_id, vault, waiting.deposit.token))
        if asset is not None and is_beyond_band(context.state, asset.id):
            return
        if is_deposit_postponed(context, waiting.deposit):
            return
        nonce += 1
        context.state.agreed_deposits.remove((chain_id, vault, nonce))
        context.state.deposit_cursors.put((chain_id, vault), DepositCursorRecord(nonce))
        _take_in_deposit(context, waiting.deposit)
        settle_soft_credit(context, waiting.deposit)


def _take_in_deposit(context: BlockContext, deposit: DepositSeen) -> None:
    """Credit an agreed deposit, or record it as a stray. Either way it counts as deposited for the comparison with
    custody, dust included."""
    token = deposit.chain_id, deposit.vault, deposit.token
    change_flow(context.state, token, FlowAmounts(deposited=int.from_bytes(deposit.amount, "big")))
    listed = context.terms.assets_by_token.get(token)
    if listed is None:
        record_stray(context, deposit, ClearingCode.DEPOSIT_OF_UNKNOWN_TOKEN)
        return
    asset = current_asset(context.state, listed)
    reason = why_not_credited(context, asset, deposit)
    if reason is None:
        credit_deposit(context, asset, deposit)
    else:
        record_stray(context, deposit, reason)


def is_deposit_postponed(context: BlockContext, deposit: DepositSeen) -> bool:
    """Whether this deposit waits in this block for custody evidence."""
    blocks, height = context.terms.market.epoch_blocks, context.block.height
    # A part of each epoch is always free; otherwise a chain without evidence would block the deposits of all.
    hold_blocks = min(context.terms.genesis.crisis.gates.deposit_hold_blocks, blocks - 1)
    overdue = height // blocks > context.state.now.snapshot_height // blocks
    if not overdue or height % blocks >= hold_blocks:
        return False
    asset = context.terms.assets_by_token.get((deposit.chain_id, deposit.vault, deposit.token))
    custody = context.state.custody.get(asset.id) if asset is not None else None
    return asset is not None and (custody is None or deposit.block_number > custody.counters.block_number)
