"""The estate's resources: what a defaulter's own accounts, or a closed client's, pay: cash at par, then collateral.

Rule: the house buys tokens at their value after haircut, at the last price, units rounded up and paid in full. Where
all of them do not suffice, tokens without value are taken, too. It must not know who pays the rest.
"""

from collections.abc import Sequence
from typing import NamedTuple

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.context.block_context import BlockContext
from clearing.context.unresolved_losses import Deficit, available_resources
from clearing.default.recovery_claims import note_token
from clearing.default.waterfall import allocate_collected
from clearing.schema.receipts.default import CollateralTaken
from clearing.schema.transfers import TransferCode
from clearing.state.holdings import current_arrays
from clearing.state.ledger import balance, cash_currency, token_currency


class CashPayment(NamedTuple):
    """Micros that an account paid in a cash group; 0 as the group: from the proceeds of its tokens."""

    account: int
    cash_group: int
    micros: int


def collect_cash(context: BlockContext, number: int, accounts: tuple[int, ...], micros: int) -> list[CashPayment]:
    """Collect `micros` (at most the available resources) from accounts for the house: cash in order, then tokens, which
    the house buys.

    Token proceeds have cash group 0. The last token is taken whole; the account is paid the excess.
    """
    paid: list[CashPayment] = []
    left = micros
    for account in accounts:
        left -= _collect_positive_cash(context, account, left, paid)
    for account in accounts:
        counted = buy_collateral(context, number, account, left) if left else 0
        if counted:
            paid.append(CashPayment(account, 0, counted))
            left -= counted
    return paid


def buy_collateral(context: BlockContext, number: int, account: int, micros: int) -> int:
    """Buy tokens of an account worth `micros`, or all. Returns the proceeds that were needed."""
    group, left = context.terms.cash_groups[0], micros
    values = current_arrays(context.state).token_values.tolist()
    for token, value in zip(context.terms.tokens, values, strict=True):
        currency = token_currency(token.id)
        balance_units = balance(context.state, account, currency)
        units = min(-(-left // value), balance_units) if value else 0
        if units > 0:
            counted = min(units * value, left)
            excess = units * value - counted
            transfer = context.journal.transfer
            transfer(account, HOUSE_ACCOUNT, currency, units, TransferCode.ESTATE_COLLATERAL_TAKEN, account)
            transfer(HOUSE_ACCOUNT, account, cash_currency(group), excess, TransferCode.ESTATE_COLLATERAL_PAID, account)
            context.receipts.append(CollateralTaken(number, account, currency, units, value, counted, group, excess))
            note_token(context, number, account, currency, units, units * value)
            left -= counted
    context.touched_accounts.update((account, HOUSE_ACCOUNT))
    return micros - left


def take_unpriced_collateral(context: BlockContext, number: int, accounts: tuple[int, ...]) -> None:
    """Take tokens without value, because their price is unknown or their haircut is whole: later proceeds are not
    gains.

    For accounts that owe more than all their other resources.
    """
    group, values = context.terms.cash_groups[0], current_arrays(context.state).token_values.tolist()
    for account in accounts:
        if account == HOUSE_ACCOUNT:
            continue  # what the house has is there already
        for token, value in zip(context.terms.tokens, values, strict=True):
            currency = token_currency(token.id)
            units = balance(context.state, account, currency)
            if units > 0 and not value:
                code = TransferCode.ESTATE_COLLATERAL_TAKEN
                context.journal.transfer(account, HOUSE_ACCOUNT, currency, units, code, account)
                context.receipts.append(CollateralTaken(number, account, currency, units, 0, 0, group, 0))
                note_token(context, number, account, currency, units, 0)
                context.touched_accounts.update((account, HOUSE_ACCOUNT))


def settle_own_debts(context: BlockContext, number: int, account: int) -> None:
    """Pay what an account without positions owes in one group from others, at par, then from its tokens."""
    for group in context.terms.cash_groups:
        owed = -balance(context.state, account, cash_currency(group))
        if owed > 0:
            resources = available_resources(context.state, (account,))
            paid = collect_cash(context, number, (account,), min(owed, resources))
            collected = sum(payment.micros for payment in paid)
            context.journal.transfer(
                HOUSE_ACCOUNT, account, cash_currency(group), collected, TransferCode.OWN_MARGIN_PAID, account
            )
            if owed > resources:
                take_unpriced_collateral(context, number, (account,))


def pay_deficits(context: BlockContext, number: int, deficits: Sequence[Deficit], micros: int) -> None:
    """Let the house pay this much of these deficits, pro rata (`allocate_collected`)."""
    parts = allocate_collected(micros, [deficit.micros for deficit in deficits])
    for deficit, part in zip(deficits, parts, strict=True):
        if deficit.account == HOUSE_ACCOUNT:
            continue  # what was collected for the house's own debt is in its account
        currency, code = cash_currency(deficit.cash_group), TransferCode.DEFAULT_DEFICIT_PAID
        context.journal.transfer(HOUSE_ACCOUNT, deficit.account, currency, part, code, number)
        context.touched_accounts.update((HOUSE_ACCOUNT, deficit.account))


def _collect_positive_cash(context: BlockContext, account: int, micros: int, paid: list[CashPayment]) -> int:
    """Pay up to `micros` of positive cash to the house, group by group. Returns what was paid."""
    left = micros
    for group in context.terms.cash_groups:
        part = min(max(balance(context.state, account, cash_currency(group)), 0), left)
        if part:
            context.journal.transfer(
                account, HOUSE_ACCOUNT, cash_currency(group), part, TransferCode.OWN_MARGIN_PAID, account
            )
            paid.append(CashPayment(account, group, part))
            left -= part
    context.touched_accounts.update((account, HOUSE_ACCOUNT))
    return micros - left
