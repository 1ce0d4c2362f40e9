"""Bridge facts: attested until more than two thirds of the power agree, then applied once, deposits included.

Rule: deposits of a vault are credited in the order of their nonces, each exactly once. A deposit that nobody can be
credited with is recorded, and never stops the others. A validator has one attestation per event. Between an epoch's
boundary and its close, for a bounded number of blocks, a deposit waits when the custody evidence of its asset is
older. This module must not know how a fact was seen.
"""

from clearing.base.codec import u256
from clearing.collateral.cash_tokens import current_asset, is_beyond_band
from clearing.collateral.skew import settle_skew_fee, skew_fee
from clearing.context.block_context import BlockContext
from clearing.deposits.custody import count_custody_attestation
from clearing.deposits.soft_credit import count_sighting, recall_soft_credit, settle_soft_credit
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
from clearing.schema.receipts.collateral import DepositCredited, DepositStray
from clearing.schema.receipts.withdrawals import WithdrawalConfirmed
from clearing.schema.records.collateral import (
    AgreedDepositRecord,
    AssetFlowRecord,
    Attestation,
    DepositCursorRecord,
    HeartbeatRecord,
    StrayDepositRecord,
)
from clearing.schema.terms.assets import Asset
from clearing.schema.transfers import TransferCode
from clearing.state.ledger import SUSPENSE_ACCOUNT, can_hold, currency_of, external_account, inventory_units
from clearing.validators.observed_chains import add_attestation, agreed_power, is_detached
from clearing.validators.set_transition import is_rotation_awaited, record_rotation
from clearing.withdrawals.refunds import (
    count_expiry_attestation,
    drop_withdrawal_attestations,
    is_withdrawal_open,
    refundable_units,
)
from clearing.withdrawals.release import confirm_withdrawal


def apply_bridge_facts(run: BlockContext) -> None:
    """Step 4: count attestations, apply what a quorum agrees on, credit deposits in order."""
    for word in run.attestations_to_recount:
        count_attestation(run, word)
    for observed in run.block.extensions:
        for fact in observed.extension.facts if observed.extension else ():
            count_attestation(run, Attestation(observed.validator, observed.power, fact))
    for chain in run.terms.chains.values():
        if not is_detached(run.state, chain.chain_id, chain.vault):
            _credit_deposits_in_order(run, chain.chain_id, chain.vault)
    recall_soft_credit(run)


def count_attestation(run: BlockContext, word: Attestation) -> None:
    """Take in one validator's word; apply the fact when a quorum has given the same."""
    fact = word.fact
    if isinstance(fact, ChainHeartbeat):
        _record_heartbeat(run, word, fact)
    elif is_detached(run.state, fact.chain_id, fact.vault):
        return  # Of a detached vault nothing is taken in any more, nor are its counters heard.
    elif isinstance(fact, CustodySeen):
        count_custody_attestation(run, word, fact)
    elif isinstance(fact, DepositSighted):
        count_sighting(run, word, fact)
    elif isinstance(fact, WithdrawalNotExecuted):
        count_expiry_attestation(run, word, fact)
    elif is_attestable(run, fact):
        key = fact_key(fact)
        claim = add_attestation(run.state.fact_attestations.get(key), word)
        if agreed_power(claim, fact) * 3 <= run.block.total_power * 2:
            run.state.fact_attestations.put(key, claim)
            return
        run.state.fact_attestations.remove(key)
        if isinstance(fact, DepositSeen):
            run.state.agreed_deposits.put((fact.chain_id, fact.vault, fact.nonce), AgreedDepositRecord(fact))
        elif isinstance(fact, ValidatorsRotated):
            record_rotation(run, fact)
        else:
            confirm_withdrawal(run.state, fact.nonce)
            drop_withdrawal_attestations(run, fact.chain_id, fact.vault, fact.nonce)
            run.receipts.append(
                WithdrawalConfirmed(fact.nonce, fact.chain_id, fact.vault, fact.block_number, fact.source)
            )


def is_attestable(run: BlockContext, fact: VaultFact) -> bool:
    """Whether the event is one that has not been applied and can be soon: anything else is not worth remembering."""
    if isinstance(fact, ValidatorsRotated):
        return is_rotation_awaited(run.state, fact)
    if isinstance(fact, WithdrawalExecuted):
        released = run.state.withdrawals.get(fact.nonce)
        ours = released is not None and (released.chain_id, released.vault) == (fact.chain_id, fact.vault)
        return ours and is_withdrawal_open(run.state, fact.nonce)
    cursor = run.state.deposit_cursors.get((fact.chain_id, fact.vault))
    if cursor is None or (fact.chain_id, fact.vault, fact.nonce) in run.state.agreed_deposits:
        return False
    return cursor.nonce < fact.nonce <= cursor.nonce + run.terms.market.deposit_window


def _record_heartbeat(run: BlockContext, word: Attestation, fact: ChainHeartbeat) -> None:
    before = run.state.heartbeats.get((fact.chain_id, word.validator))
    if fact.chain_id in run.terms.chains and (before is None or before.block_number < fact.block_number):
        run.state.heartbeats.put(
            (fact.chain_id, word.validator), HeartbeatRecord(word.power, fact.block_number, run.time_ms)
        )


def _credit_deposits_in_order(run: BlockContext, chain_id: int, vault: bytes) -> None:
    """Credit every agreed deposit that follows the last credited one without a gap.

    A deposit of a token beyond its price band waits, and all behind it, the few blocks until it is judged.
    """
    cursor = run.state.deposit_cursors.get((chain_id, vault))
    nonce = cursor.nonce if cursor else 0
    while (waiting := run.state.agreed_deposits.get((chain_id, vault, nonce + 1))) is not None:
        asset = run.terms.assets_by_token.get((chain_id, vault, waiting.deposit.token))
        if asset is not None and is_beyond_band(run.state, asset.id):
            return
        if is_deposit_held_back(run, waiting.deposit):
            return
        nonce += 1
        run.state.agreed_deposits.remove((chain_id, vault, nonce))
        run.state.deposit_cursors.put((chain_id, vault), DepositCursorRecord(nonce))
        _credit_deposit(run, waiting.deposit)
        settle_soft_credit(run, waiting.deposit)


def _credit_deposit(run: BlockContext, deposit: DepositSeen) -> None:
    listed = run.terms.assets_by_token.get((deposit.chain_id, deposit.vault, deposit.token))
    if listed is None:
        _record_stray(run, deposit, ClearingCode.DEPOSIT_OF_UNKNOWN_TOKEN)
        return
    asset = current_asset(run.state, listed)
    amount = int.from_bytes(deposit.amount, "big")
    units, dust = asset.to_units(amount)
    is_stray = inventory_units(run.state, asset) + refundable_units(run, asset) + units > asset.cap_units
    _count_deposit(run, asset, amount, stray=amount if is_stray else 0)
    if is_stray:
        _record_stray(run, deposit, ClearingCode.DEPOSIT_ABOVE_CAP)
        return
    known = can_hold(run.state, deposit.account)
    account = deposit.account if known else SUSPENSE_ACCOUNT
    fee = skew_fee(run, asset, units) if asset.is_cash else 0
    # What nobody can be credited with moves inventory too, but earns nothing.
    fee = fee if known else max(fee, 0)
    run.journal.transfer(
        external_account(asset.id), account, currency_of(asset), units, TransferCode.DEPOSIT, deposit.nonce
    )
    run.touched_accounts.add(account)
    if known:
        receipt = DepositCredited(
            deposit.chain_id, deposit.vault, deposit.nonce, asset.id, account, units, dust, deposit.source
        )
        run.receipts.append(receipt)
    else:
        run.receipts.append(_stray_receipt(deposit, ClearingCode.DEPOSIT_TO_UNKNOWN_ACCOUNT, SUSPENSE_ACCOUNT))
    settle_skew_fee(run, account, asset, units, fee, deposit.nonce)


def _count_deposit(run: BlockContext, asset: Asset, amount: int, stray: int) -> None:
    """Count everything that a vault took, dust and strays included: what custody is compared with."""
    flow = run.state.asset_flows[asset.id]
    total, strays = int.from_bytes(flow.deposited_amount, "big"), int.from_bytes(flow.stray_amount, "big")
    counted = AssetFlowRecord(
        deposited_amount=u256(min(total + amount, 2**256 - 1)),
        released_units=flow.released_units,
        stray_amount=u256(min(strays + stray, 2**256 - 1)),
    )
    run.state.asset_flows.put(asset.id, counted)


def _record_stray(run: BlockContext, deposit: DepositSeen, code: ClearingCode) -> None:
    run.state.stray_deposits.put(
        (deposit.chain_id, deposit.vault, deposit.nonce), StrayDepositRecord(int(code), deposit)
    )
    run.receipts.append(_stray_receipt(deposit, code, 0))


def _stray_receipt(deposit: DepositSeen, code: ClearingCode, account: int) -> DepositStray:
    return DepositStray(
        deposit.chain_id,
        deposit.vault,
        deposit.nonce,
        deposit.token,
        deposit.account,
        deposit.amount,
        int(code),
        account,
    )


def is_deposit_held_back(run: BlockContext, deposit: DepositSeen) -> bool:
    """Whether this deposit waits in this block."""
    blocks, height = run.terms.market.epoch_blocks, run.block.height
    # A part of each epoch is always free, or a chain whose evidence never comes would stop deposits of all.
    hold = min(run.terms.genesis.crisis.gates.deposit_hold_blocks, blocks - 1)
    overdue = height // blocks > run.state.now.snapshot_height // blocks
    if not overdue or height % blocks >= hold:
        return False
    asset = run.terms.assets_by_token.get((deposit.chain_id, deposit.vault, deposit.token))
    seen = run.state.custody.get(asset.id) if asset is not None else None
    return asset is not None and (seen is None or deposit.block_number > seen.counters.block_number)
