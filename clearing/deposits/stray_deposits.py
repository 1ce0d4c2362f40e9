"""Stray deposits: those that could not be credited when they arrived. Each is credited later or refunded, exactly once.

Rule:

1. One above its asset's cap, or for an account that does not exist, waits for `stray_blocks` of genesis.
2. It is credited once room appears: the first to arrive first, and one that is too large does not stop smaller ones.
3. An account that came into being meanwhile must belong to the depositor: its key is the depositor's address. Anybody
   else could have opened it to take the money.
4. After its time, or at once where it can never be credited, it is refunded (`clearing.deposits.deposit_refunds`).

The number of waiting strays is bounded, in total and per depositor, because every block looks at all of them. One that
finds no place is refunded at once.
"""

from collections import Counter

from clearing.collateral.cash_tokens import current_asset, is_beyond_band
from clearing.context.block_context import BlockContext
from clearing.context.request_checks import owner_key
from clearing.deposits.crediting import credit_deposit, deposit_room, deposit_units
from clearing.deposits.deposit_refunds import owe_refund
from clearing.schema.codes import ClearingCode
from clearing.schema.facts import DepositSeen
from clearing.schema.receipts.collateral import DepositStray
from clearing.schema.records.collateral import FlowAmounts
from clearing.schema.records.stray_deposits import StrayDepositRecord
from clearing.schema.terms.genesis import MEMBER_ACCOUNTS_MAX
from clearing.state.asset_flows import change_flow
from clearing.state.ledger import can_hold
from clearing.state.state import State
from clearing.validators.chain_attestations import is_detached

WAITING_MAX = 1_024
WAITING_PER_DEPOSITOR_MAX = 16
"""Limits of strays that wait to be credited."""


def record_stray(context: BlockContext, deposit: DepositSeen, reason: ClearingCode) -> None:
    """Record a deposit that cannot be credited now: it waits, or is refunded."""
    blocks = context.terms.genesis.crisis.gates.stray_blocks
    waits = blocks > 0 and _may_be_credited_later(deposit, reason) and _take_place(context, deposit.depositor)
    due_height = context.block.height + blocks if waits else 0
    _count_stray(context.state, deposit, int.from_bytes(deposit.amount, "big"))
    context.receipts.append(
        DepositStray(
            chain_id=deposit.chain_id,
            vault=deposit.vault,
            nonce=deposit.nonce,
            token=deposit.token,
            account=deposit.account,
            depositor=deposit.depositor,
            amount=deposit.amount,
            code=int(reason),
            due_height=due_height,
        )
    )
    if waits:
        context.state.stray_deposits.put(
            (deposit.chain_id, deposit.vault, deposit.nonce), StrayDepositRecord(int(reason), deposit, due_height)
        )
    else:
        owe_refund(context, deposit, int(reason))


def _may_be_credited_later(deposit: DepositSeen, reason: ClearingCode) -> bool:
    """Whether room or the account may still appear. Accounts of the ledger itself never belong to a depositor."""
    return reason is not ClearingCode.DEPOSIT_OF_UNKNOWN_TOKEN and deposit.account < MEMBER_ACCOUNTS_MAX


def _take_place(context: BlockContext, depositor: bytes) -> bool:
    """Whether one more stray of this depositor may wait; it is counted if so."""
    if context.waiting_strays is None:
        strays = context.state.stray_deposits.ordered()
        context.waiting_strays = Counter(stray.deposit.depositor for _, stray in strays)
    waiting = context.waiting_strays
    if waiting.total() >= WAITING_MAX or waiting[depositor] >= WAITING_PER_DEPOSITOR_MAX:
        return False
    waiting[depositor] += 1
    return True


def settle_strays(context: BlockContext) -> None:
    """Credit the strays that can be credited now, in order of arrival at each vault; refund those whose time is over.

    Call it before new deposits are taken in: a stray that fits comes before them.
    """
    room: dict[int, int] = {}
    for key, stray in list(context.state.stray_deposits.ordered()):
        deposit = stray.deposit
        listed = context.terms.assets_by_token.get((deposit.chain_id, deposit.vault, deposit.token))
        over = context.block.height >= stray.due_height or is_detached(context.state, deposit.chain_id, deposit.vault)
        if listed is None or over:
            context.state.stray_deposits.remove(key)
            owe_refund(context, deposit, stray.reason_code)
            continue
        asset = current_asset(context.state, listed)
        if is_beyond_band(context.state, asset.id) or not _is_credited_to_its_account(context.state, stray):
            continue
        if asset.id not in room:
            room[asset.id] = deposit_room(context, asset)
        units = deposit_units(asset, deposit)[0]
        # A token that left its group has coarser units: a deposit below one of them would be credited as nothing.
        if 0 < units <= room[asset.id]:
            room[asset.id] -= units
            context.state.stray_deposits.remove(key)
            _count_stray(context.state, deposit, -int.from_bytes(deposit.amount, "big"))
            credit_deposit(context, asset, deposit)


def _count_stray(state: State, deposit: DepositSeen, amount: int) -> None:
    change_flow(state, (deposit.chain_id, deposit.vault, deposit.token), FlowAmounts(stray=amount))


def _is_credited_to_its_account(state: State, stray: StrayDepositRecord) -> bool:
    """Whether the account exists, and belongs to the depositor where it did not exist when the deposit arrived."""
    account = stray.deposit.account
    if not can_hold(state, account):
        return False
    existed = stray.reason_code != ClearingCode.DEPOSIT_TO_UNKNOWN_ACCOUNT
    return existed or owner_key(state, account) == stray.deposit.depositor
