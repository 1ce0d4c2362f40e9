"""What a defaulter's own accounts, and a closed client's, give for what they owe: cash at par, then collateral.

Rule: the house buys tokens at their value after haircut, at the last price there was, units rounded up and paid for in
full; where all of them are not enough, those that count for nothing go, too. It must not know who pays the rest.
"""

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.context.block_context import BlockContext
from clearing.context.unresolved_losses import available_resources
from clearing.schema.receipts.default import CollateralTaken
from clearing.schema.transfers import TransferCode
from clearing.state.holdings import current_arrays
from clearing.state.ledger import balance, cash_currency, token_currency

PaidCash = list[tuple[int, int, int]]
"""(account, cash group, micros)."""


def collect_cash(context: BlockContext, number: int, accounts: tuple[int, ...], micros: int) -> PaidCash:
    """Let accounts bring `micros` (at most `available`) to the house: cash in order, then tokens, which it buys.

    What tokens bring stands under cash group 0. The last one is taken whole; the account is paid what is beyond.
    """
    paid: PaidCash = []
    left = micros
    for account in accounts:
        left -= _collect_positive_cash(context, account, left, paid)
    for account in accounts:
        counted = buy_collateral(context, number, account, left) if left else 0
        if counted:
            paid.append((account, 0, counted))
            left -= counted
    return paid


def buy_collateral(context: BlockContext, number: int, account: int, micros: int) -> int:
    """Buy so many of an account's tokens as are worth `micros`, or all; how much of it they brought."""
    group, left = context.terms.cash_groups[0], micros
    values = current_arrays(context.state).token_values.tolist()
    for token, value in zip(context.terms.tokens, values, strict=True):
        currency = token_currency(token.id)
        has = balance(context.state, account, currency)
        units = min(-(-left // value), has) if value else 0
        if units > 0:
            counted = min(units * value, left)
            back = units * value - counted
            transfer = context.journal.transfer
            transfer(account, HOUSE_ACCOUNT, currency, units, TransferCode.ESTATE_COLLATERAL_TAKEN, account)
            transfer(HOUSE_ACCOUNT, account, cash_currency(group), back, TransferCode.ESTATE_COLLATERAL_PAID, account)
            context.receipts.append(CollateralTaken(number, account, currency, units, value, counted, group, back))
            left -= counted
    context.touched_accounts.update((account, HOUSE_ACCOUNT))
    return micros - left


def take_unpriced_collateral(context: BlockContext, number: int, accounts: tuple[int, ...]) -> None:
    """Take what counts for nothing, as its price is not known or its haircut whole: what it brings later is no gain.

    For accounts that owe more than all else they have.
    """
    group, values = context.terms.cash_groups[0], current_arrays(context.state).token_values.tolist()
    for account in accounts:
        for token, value in zip(context.terms.tokens, values, strict=True):
            currency = token_currency(token.id)
            units = balance(context.state, account, currency)
            if units > 0 and not value:
                code = TransferCode.ESTATE_COLLATERAL_TAKEN
                context.journal.transfer(account, HOUSE_ACCOUNT, currency, units, code, account)
                context.receipts.append(CollateralTaken(number, account, currency, units, 0, 0, group, 0))
                context.touched_accounts.update((account, HOUSE_ACCOUNT))


def settle_own_debts(context: BlockContext, number: int, account: int) -> None:
    """Let an account without positions pay what it owes in one group out of others, at par, then out of its tokens."""
    for group in context.terms.cash_groups:
        owed = -balance(context.state, account, cash_currency(group))
        if owed > 0:
            has = available_resources(context.state, (account,))
            paid = collect_cash(context, number, (account,), min(owed, has))
            brought = sum(micros for _, _, micros in paid)
            context.journal.transfer(
                HOUSE_ACCOUNT, account, cash_currency(group), brought, TransferCode.OWN_MARGIN_PAID, account
            )
            if owed > has:
                take_unpriced_collateral(context, number, (account,))


def _collect_positive_cash(context: BlockContext, account: int, micros: int, paid: PaidCash) -> int:
    """Pay up to `micros` of positive cash to the house, group by group; what was paid."""
    left = micros
    for group in context.terms.cash_groups:
        part = min(max(balance(context.state, account, cash_currency(group)), 0), left)
        if part:
            context.journal.transfer(
                account, HOUSE_ACCOUNT, cash_currency(group), part, TransferCode.OWN_MARGIN_PAID, account
            )
            paid.append((account, group, part))
            left -= part
    context.touched_accounts.update((account, HOUSE_ACCOUNT))
    return micros - left
