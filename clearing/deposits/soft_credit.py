"""Soft credit: a loan of the house's own capital against a deposit that is not final on its chain yet.

Rule:

1. It is lent in cash once more than two thirds of the power sighted the same deposit, within the share of the house's
   own cash, the account's limit and the asset's.
2. None of it can leave the account, and little can be given away in the prices of trades.
3. It is repaid from the deposit when that is final.
4. When the chain reverts the deposit, the loan is recalled, and an account that had used it is restricted. What it
   cannot pay is the house's loss, never another member's.

It must not know how a deposit was sighted.
"""

import msgspec

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.base.units import MONEY_MAX, PPM
from clearing.collateral.cash_tokens import current_asset, is_beyond_band, is_cash_group_suspended
from clearing.context.block_context import BlockContext
from clearing.context.house_limits import kept_apart
from clearing.context.member_status import is_restricted, is_restricted_to_reducing, restrict_account
from clearing.pricing.value_after_haircut import unit_value_after_haircut
from clearing.schema.facts import FINAL, SIGHTED, DepositSeen, DepositSighted, fact_key
from clearing.schema.receipts.collateral import SoftCreditLent, SoftCreditRecalled, SoftCreditRepaid
from clearing.schema.records.accounts import LoanRecord
from clearing.schema.records.collateral import Attestation, SoftCreditRecord
from clearing.schema.records.prices import FeedStatus
from clearing.schema.terms.assets import Asset
from clearing.schema.transfers import TransferCode
from clearing.state.asset_halts import is_asset_halted
from clearing.state.effective_parameters import effective_asset
from clearing.state.ledger import balance, can_hold, cash_currency, inventory_units, soft_credit_of
from clearing.validators.chain_attestations import add_attestation, agreed_final_block, agreed_power

SIGHTED_DEPOSITS_MAX = 64
"""Sightings are stored for this many nonces beyond the credited one."""
CREDIT_TRANSFER_MAX_PPM = 100_000
"""Fraction of the loan that may be lost in the prices and fees of trades."""


def transfers_soft_credit(loans: int, equity: int, equity_after: int) -> bool:
    """Whether a trade gives away lent money through its price and fees.

    Spreads and fees may cost an account without money of its own a tenth of the loans. Beyond that it trades only at
    prices that cost it nothing: any other price could move the loan to another account of the same owner.
    """
    return loans > 0 and equity_after < equity and (equity_after - loans) * PPM < -loans * CREDIT_TRANSFER_MAX_PPM


def count_sighting(context: BlockContext, attestation: Attestation, fact: DepositSighted) -> None:
    """Store one validator's sighting of a deposit; lend when a quorum attests the same."""
    asset = context.terms.assets_by_token.get((fact.chain_id, fact.vault, fact.token))
    cursor = context.state.deposit_cursors.get((fact.chain_id, fact.vault))
    key = (fact.chain_id, fact.vault, fact.nonce)
    if asset is None or not asset.soft_credit_ppm or not context.terms.genesis.soft_credit.house_ppm:
        return
    if cursor is None or not cursor.nonce < fact.nonce <= cursor.nonce + SIGHTED_DEPOSITS_MAX:
        return
    if key in context.state.soft_credits or key in context.state.agreed_deposits:
        return
    attestations = add_attestation(context.state.fact_attestations.get(fact_key(fact)), attestation)
    if agreed_power(attestations, fact) * 3 <= context.block.total_power * 2:
        context.state.fact_attestations.put(fact_key(fact), attestations)
        return
    context.state.fact_attestations.remove(fact_key(fact))
    _lend_soft_credit(
        context, current_asset(context.state, asset), asset.cash_group or context.terms.cash_groups[0], fact
    )


def _lend_soft_credit(context: BlockContext, asset: Asset, group: int, fact: DepositSighted) -> None:
    """Lend what all limits allow. Also record a deposit without a loan, so that it is decided once."""
    value = _collateral_value(context, asset, int.from_bytes(fact.amount, "big"))
    micros = min(value, _lending_room(context, fact.account, group)) if _may_borrow(context, asset, group, fact) else 0
    micros = max(micros, 0)
    credit = SoftCreditRecord(fact.account, asset.id, group, micros, fact.block_number, fact.source)
    context.state.soft_credits.put((fact.chain_id, fact.vault, fact.nonce), credit)
    if not micros:
        return
    _change_loan(context, credit, micros)
    context.journal.transfer(
        HOUSE_ACCOUNT, fact.account, cash_currency(group), micros, TransferCode.SOFT_CREDIT_LENT, fact.nonce
    )
    context.touched_accounts.update((HOUSE_ACCOUNT, fact.account))
    context.receipts.append(
        SoftCreditLent(
            account=fact.account,
            chain_id=fact.chain_id,
            vault=fact.vault,
            nonce=fact.nonce,
            asset=asset.id,
            cash_group=group,
            micros=micros,
            value_micros=value,
            source=fact.source,
        )
    )


def _may_borrow(context: BlockContext, asset: Asset, group: int, fact: DepositSighted) -> bool:
    """Whether this deposit qualifies for a loan."""
    overdue = fact.block_number + context.terms.genesis.soft_credit.recall_blocks <= agreed_final_block(
        context.state, fact.chain_id
    )
    ours = can_hold(context.state, fact.account) and fact.account != HOUSE_ACCOUNT
    doubtful = (
        is_asset_halted(context.state, asset.id)
        or is_beyond_band(context.state, asset.id)
        or is_cash_group_suspended(context.state, group)
    )
    restricted = ours and (
        is_restricted(context.state, fact.account) or is_restricted_to_reducing(context.state, fact.account)
    )
    return ours and not (overdue or doubtful or restricted)


def _collateral_value(context: BlockContext, asset: Asset, amount: int) -> int:
    """Collateral value in micros of the asset's share of the deposit, within the asset's cap; rounded down.

    A collateral token without an open price counts for nothing.
    """
    units = min(asset.to_units(amount)[0], asset.cap_units - inventory_units(context.state, asset))
    if asset.is_cash:
        return units * asset.soft_credit_ppm // PPM
    feeds = [context.state.feeds.get(feed) for feed in asset.feeds]
    if any(feed is None or feed.status != FeedStatus.OPEN for feed in feeds):
        return 0
    index, counted = context.state.feeds[asset.feed].ticks, effective_asset(context.state, asset)
    # Until the deposit is final no scenario covers the token's own moves, so its ordinary haircut does.
    counted = msgspec.structs.replace(counted, haircut_ppm=max(counted.haircut_ppm, asset.haircut_ppm))
    return min(units * unit_value_after_haircut(counted, index) * asset.soft_credit_ppm // PPM, MONEY_MAX)


def _lending_room(context: BlockContext, account: int, group: int) -> int:
    """What may still be lent: within the house's share of its own cash, its present cash beyond
    what it keeps apart, and the account's limit."""
    terms = context.terms.genesis.soft_credit
    lent = soft_credit_of(context.state, HOUSE_ACCOUNT, group)
    cash = balance(context.state, HOUSE_ACCOUNT, cash_currency(group))
    whole = max(cash + lent, 0) * terms.house_ppm // PPM
    free = cash - kept_apart(context.state)
    return min(whole - lent, free, terms.account_micros_max - soft_credit_of(context.state, account, group))


def settle_soft_credit(context: BlockContext, deposit: DepositSeen) -> None:
    """A deposit is final: repay the loan against it, or recall it when another deposit is final in its place.

    It is also repaid where the deposit is above the asset's cap: that is not the account's fault.
    """
    key = (deposit.chain_id, deposit.vault, deposit.nonce)
    context.state.fact_attestations.remove((SIGHTED, *key))
    credit = context.state.soft_credits.get(key)
    if credit is None:
        return
    context.state.soft_credits.remove(key)
    if not credit.micros:
        return
    asset = context.terms.assets_by_token.get((deposit.chain_id, deposit.vault, deposit.token))
    if deposit.account != credit.account or asset is None or asset.id != credit.asset:
        _recall_loan(context, key, credit, deposit.block_number)
        return
    _repay_loan(context, key, credit)
    context.receipts.append(SoftCreditRepaid(credit.account, *key, credit.cash_group, credit.micros))


def recall_soft_credit(context: BlockContext) -> None:
    """Recall the loans whose chain has advanced without the deposit: it was reverted."""
    grace = context.terms.genesis.soft_credit.recall_blocks
    for key, credit in list(context.state.soft_credits.ordered()):
        final = agreed_final_block(context.state, key[0])
        if not credit.micros or final < credit.block_number + grace or _is_still_expected(context, key):
            continue
        context.state.soft_credits.put(key, msgspec.structs.replace(credit, micros=0))
        _recall_loan(context, key, credit, final)


def recall_vault_credit(context: BlockContext, chain_id: int, vault: bytes) -> None:
    """Recall the loans against deposits of a vault whose deposits are no longer accepted."""
    for key, credit in list(context.state.soft_credits.ordered()):
        if key[:2] == (chain_id, vault) and credit.micros:
            context.state.soft_credits.put(key, msgspec.structs.replace(credit, micros=0))
            _recall_loan(context, key, credit, agreed_final_block(context.state, chain_id))


def _is_still_expected(context: BlockContext, key: tuple[int, bytes, int]) -> bool:
    """Whether the deposit is final and waits its turn, or more than a third of the power already attests that it is."""
    attestations = context.state.fact_attestations.get((FINAL, *key))
    power = sum(attestation.power for attestation in attestations.attestations) if attestations else 0
    return key in context.state.agreed_deposits or power * 3 > context.block.total_power


def _recall_loan(context: BlockContext, key: tuple[int, bytes, int], credit: SoftCreditRecord, final: int) -> None:
    _repay_loan(context, key, credit)
    cash_after = balance(context.state, credit.account, cash_currency(credit.cash_group))
    # Anybody can deposit to any account, so a reverted deposit alone does not incriminate its owner.
    until = restrict_account(context, key, credit) if cash_after < 0 else 0
    context.receipts.append(
        SoftCreditRecalled(
            credit.account,
            *key,
            cash_group=credit.cash_group,
            micros=credit.micros,
            block_number=credit.block_number,
            final_block=final,
            source=credit.source,
            cash_after=cash_after,
            until_height=until,
        )
    )


def _repay_loan(context: BlockContext, key: tuple[int, bytes, int], credit: SoftCreditRecord) -> None:
    _change_loan(context, credit, -credit.micros)
    currency = cash_currency(credit.cash_group)
    context.journal.transfer(
        credit.account, HOUSE_ACCOUNT, currency, credit.micros, TransferCode.SOFT_CREDIT_REPAID, key[2]
    )
    context.touched_accounts.update((HOUSE_ACCOUNT, credit.account))


def _change_loan(context: BlockContext, credit: SoftCreditRecord, micros: int) -> None:
    """Change an account's soft credit debt, and the sum over all accounts."""
    for account in (credit.account, HOUSE_ACCOUNT):
        owed = soft_credit_of(context.state, account, credit.cash_group) + micros
        if owed:
            context.state.loans.put((account, credit.cash_group), LoanRecord(owed))
        else:
            context.state.loans.remove((account, credit.cash_group))
