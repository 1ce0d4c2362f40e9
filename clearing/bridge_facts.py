"""Bridge facts: attested until more than two thirds of the power say the same, then applied once.

Rule: deposits of a vault are credited strictly in order of their nonces, each exactly once; one that nobody can be
credited with is kept on record, never dropped and never a reason to stop. A validator has one word per event, so what
the state remembers is bounded by the window of nonces. It must not know how a fact was seen.
"""

from clearing.assets import Asset
from clearing.base.codec import u256
from clearing.chains import is_struck
from clearing.claims import add_word, agreed_power
from clearing.codes import ClearingCode
from clearing.collateral.listing import asset_now, is_suspect
from clearing.collateral.skew import fee_of, settle_fee
from clearing.collateral.soft_credit import finish_soft_credit, recall_soft_credit, sight
from clearing.custody import attest_custody
from clearing.facts import (
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
from clearing.gates.deposits import holds_back
from clearing.gates.giving_back import owed_outside
from clearing.gates.unpaid import attest_unpaid, forget_claims, is_open
from clearing.ledger import SUSPENSE_ACCOUNT, can_hold, currency_of, external_account, held
from clearing.receipts import DepositCredited, DepositStray, WithdrawalConfirmed
from clearing.run import Run
from clearing.state.records import Agreed, Attestation, Beat, Cursor, Flow, Stray
from clearing.transfers import TransferCode
from clearing.validators.rotation import is_rotation_awaited, note_rotation
from clearing.withdrawals import confirm


def apply_bridge_facts(run: Run) -> None:
    """Step 4: count attestations, apply what a quorum agrees on, credit deposits in order."""
    for word in run.carried:
        attest(run, word)
    for observed in run.block.extensions:
        for fact in observed.extension.facts if observed.extension else ():
            attest(run, Attestation(observed.validator, observed.power, fact))
    for chain in run.terms.chains.values():
        if not is_struck(run.state, chain.chain_id, chain.vault):
            _credit_in_order(run, chain.chain_id, chain.vault)
    recall_soft_credit(run)


def attest(run: Run, word: Attestation) -> None:
    """Take in one validator's word; apply the fact when a quorum has given the same."""
    fact = word.fact
    if isinstance(fact, ChainHeartbeat):
        _beat(run, word, fact)
    elif is_struck(run.state, fact.chain_id, fact.vault):
        return  # Of a detached vault nothing is taken in any more, nor are its counters heard.
    elif isinstance(fact, CustodySeen):
        attest_custody(run, word, fact)
    elif isinstance(fact, DepositSighted):
        sight(run, word, fact)
    elif isinstance(fact, WithdrawalNotExecuted):
        attest_unpaid(run, word, fact)
    elif is_awaited(run, fact):
        key = fact_key(fact)
        claim = add_word(run.state.claims.get(key), word)
        if agreed_power(claim, fact) * 3 <= run.block.total_power * 2:
            run.state.claims.put(key, claim)
            return
        run.state.claims.remove(key)
        if isinstance(fact, DepositSeen):
            run.state.agreed.put((fact.chain_id, fact.vault, fact.nonce), Agreed(fact))
        elif isinstance(fact, ValidatorsRotated):
            note_rotation(run, fact)
        else:
            confirm(run.state, fact.nonce)
            forget_claims(run, fact.chain_id, fact.vault, fact.nonce)
            run.receipts.append(
                WithdrawalConfirmed(fact.nonce, fact.chain_id, fact.vault, fact.block_number, fact.source)
            )


def is_awaited(run: Run, fact: VaultFact) -> bool:
    """Whether the event is one that has not been applied and can be soon: anything else is not worth remembering."""
    if isinstance(fact, ValidatorsRotated):
        return is_rotation_awaited(run.state, fact)
    if isinstance(fact, WithdrawalExecuted):
        released = run.state.withdrawals.get(fact.nonce)
        ours = released is not None and (released.chain_id, released.vault) == (fact.chain_id, fact.vault)
        return ours and is_open(run.state, fact.nonce)
    cursor = run.state.cursors.get((fact.chain_id, fact.vault))
    if cursor is None or (fact.chain_id, fact.vault, fact.nonce) in run.state.agreed:
        return False
    return cursor.nonce < fact.nonce <= cursor.nonce + run.terms.market.deposit_window


def _beat(run: Run, word: Attestation, fact: ChainHeartbeat) -> None:
    before = run.state.beats.get((fact.chain_id, word.validator))
    if fact.chain_id in run.terms.chains and (before is None or before.block_number < fact.block_number):
        run.state.beats.put((fact.chain_id, word.validator), Beat(word.power, fact.block_number, run.time_ms))


def _credit_in_order(run: Run, chain_id: int, vault: bytes) -> None:
    """Credit every agreed deposit that follows the last credited one without a gap.

    A deposit of a token beyond its price band waits, and all behind it, the few blocks until it is judged.
    """
    cursor = run.state.cursors.get((chain_id, vault))
    nonce = cursor.nonce if cursor else 0
    while (waiting := run.state.agreed.get((chain_id, vault, nonce + 1))) is not None:
        asset = run.terms.asset_of.get((chain_id, vault, waiting.deposit.token))
        if asset is not None and is_suspect(run.state, asset.id):
            return
        if holds_back(run, waiting.deposit):
            return
        nonce += 1
        run.state.agreed.remove((chain_id, vault, nonce))
        run.state.cursors.put((chain_id, vault), Cursor(nonce))
        _credit(run, waiting.deposit)
        finish_soft_credit(run, waiting.deposit)


def _credit(run: Run, deposit: DepositSeen) -> None:
    listed = run.terms.asset_of.get((deposit.chain_id, deposit.vault, deposit.token))
    if listed is None:
        _stray(run, deposit, ClearingCode.DEPOSIT_OF_UNKNOWN_TOKEN)
        return
    asset = asset_now(run.state, listed)
    amount = int.from_bytes(deposit.amount, "big")
    units, dust = asset.to_units(amount)
    is_stray = held(run.state, asset) + owed_outside(run, asset) + units > asset.cap_units
    _take_in(run, asset, amount, stray=amount if is_stray else 0)
    if is_stray:
        _stray(run, deposit, ClearingCode.DEPOSIT_ABOVE_CAP)
        return
    known = can_hold(run.state, deposit.account)
    account = deposit.account if known else SUSPENSE_ACCOUNT
    fee = fee_of(run, asset, units) if asset.is_cash else 0
    # What nobody can be credited with moves inventory too, but earns nothing.
    fee = fee if known else max(fee, 0)
    run.journal.transfer(
        external_account(asset.id), account, currency_of(asset), units, TransferCode.DEPOSIT, deposit.nonce
    )
    run.touched.add(account)
    if known:
        receipt = DepositCredited(
            deposit.chain_id, deposit.vault, deposit.nonce, asset.id, account, units, dust, deposit.source
        )
        run.receipts.append(receipt)
    else:
        run.receipts.append(_stray_receipt(deposit, ClearingCode.DEPOSIT_TO_UNKNOWN_ACCOUNT, SUSPENSE_ACCOUNT))
    settle_fee(run, account, asset, units, fee, deposit.nonce)


def _take_in(run: Run, asset: Asset, amount: int, stray: int) -> None:
    """Count everything that a vault took, dust and strays included: what custody is compared with."""
    flow = run.state.flows[asset.id]
    total, strays = int.from_bytes(flow.deposited_amount, "big"), int.from_bytes(flow.stray_amount, "big")
    counted = Flow(
        deposited_amount=u256(min(total + amount, 2**256 - 1)),
        released_units=flow.released_units,
        stray_amount=u256(min(strays + stray, 2**256 - 1)),
    )
    run.state.flows.put(asset.id, counted)


def _stray(run: Run, deposit: DepositSeen, code: ClearingCode) -> None:
    run.state.strays.put((deposit.chain_id, deposit.vault, deposit.nonce), Stray(int(code), deposit))
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
