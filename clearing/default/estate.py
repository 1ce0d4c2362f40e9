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


def collect_cash(run: BlockContext, number: int, accounts: tuple[int, ...], micros: int) -> PaidCash:
    """Let accounts bring `micros` (at most `available`) to the house: cash in order, then tokens, which it buys.

    What tokens bring stands under cash group 0. The last one is taken whole; the account is paid what is beyond.
    """
    paid: PaidCash = []
    left = micros
    for account in accounts:
        left -= _collect_positive_cash(run, account, left, paid)
    for account in accounts:
        counted = buy_collateral(run, number, account, left) if left else 0
        if counted:
            paid.append((account, 0, counted))
            left -= counted
    return paid


def buy_collateral(run: BlockContext, number: int, account: int, micros: int) -> int:
    """Buy so many of an account's tokens as are worth `micros`, or all; how much of it they brought."""
    group, left = run.terms.cash_groups[0], micros
    values = current_arrays(run.state).token_values.tolist()
    for token, value in zip(run.terms.tokens, values, strict=True):
        currency = token_currency(token.id)
        has = balance(run.state, account, currency)
        units = min(-(-left // value), has) if value else 0
        if units > 0:
            counted = min(units * value, left)
            back = units * value - counted
            transfer = run.journal.transfer
            transfer(account, HOUSE_ACCOUNT, currency, units, TransferCode.ESTATE_COLLATERAL_TAKEN, account)
            transfer(HOUSE_ACCOUNT, account, cash_currency(group), back, TransferCode.ESTATE_COLLATERAL_PAID, account)
            run.receipts.append(CollateralTaken(number, account, currency, units, value, counted, group, back))
            left -= counted
    run.touched_accounts.update((account, HOUSE_ACCOUNT))
    return micros - left


def take_unpriced_collateral(run: BlockContext, number: int, accounts: tuple[int, ...]) -> None:
    """Take what counts for nothing, as its price is not known or its haircut whole: what it brings later is no gain.

    For accounts that owe more than all else they have.
    """
    group, values = run.terms.cash_groups[0], current_arrays(run.state).token_values.tolist()
    for account in accounts:
        for token, value in zip(run.terms.tokens, values, strict=True):
            currency = token_currency(token.id)
            units = balance(run.state, account, currency)
            if units > 0 and not value:
                code = TransferCode.ESTATE_COLLATERAL_TAKEN
                run.journal.transfer(account, HOUSE_ACCOUNT, currency, units, code, account)
                run.receipts.append(CollateralTaken(number, account, currency, units, 0, 0, group, 0))
                run.touched_accounts.update((account, HOUSE_ACCOUNT))


def settle_own_debts(run: BlockContext, number: int, account: int) -> None:
    """Let an account without positions pay what it owes in one group out of others, at par, then out of its tokens."""
    for group in run.terms.cash_groups:
        owed = -balance(run.state, account, cash_currency(group))
        if owed > 0:
            has = available_resources(run.state, (account,))
            paid = collect_cash(run, number, (account,), min(owed, has))
            brought = sum(micros for _, _, micros in paid)
            run.journal.transfer(
                HOUSE_ACCOUNT, account, cash_currency(group), brought, TransferCode.OWN_MARGIN_PAID, account
            )
            if owed > has:
                take_unpriced_collateral(run, number, (account,))


def _collect_positive_cash(run: BlockContext, account: int, micros: int, paid: PaidCash) -> int:
    """Pay up to `micros` of positive cash to the house, group by group; what was paid."""
    left = micros
    for group in run.terms.cash_groups:
        part = min(max(balance(run.state, account, cash_currency(group)), 0), left)
        if part:
            run.journal.transfer(
                account, HOUSE_ACCOUNT, cash_currency(group), part, TransferCode.OWN_MARGIN_PAID, account
            )
            paid.append((account, group, part))
            left -= part
    run.touched_accounts.update((account, HOUSE_ACCOUNT))
    return micros - left
