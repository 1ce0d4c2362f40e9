"""Invariants: the checks after every block, whatever was in it.

Rule: the checks cost what the block touched. A violation is a `Bug`: nothing may be signed after it.
"""

from clearing.base.errors import Bug
from clearing.context.block_context import BlockContext
from clearing.context.member_status import is_in_default
from clearing.state.holdings import margin_book
from clearing.state.indexes import CALLED_ACCOUNTS, holders
from clearing.state.ledger import FUND_ACCOUNT, balance, cash_currency, inventory_units
from clearing.state.state import State


def check_block(context: BlockContext) -> None:
    """Phase 13, after everything else. Raises Bug."""
    context.journal.check_conserved()
    context.positions.check_matched()
    check_fund_balance(context.state)
    check_backing(context.state)
    check_receivables(context.state)


def check_fund_balance(state: State) -> None:
    """The default fund's cash equals the sum of the contributions. Raises Bug."""
    size = state.fund_sizes.get(0)
    if size is not None:
        contributed = sum(record.micros for _, record in state.contributions.ordered())
        fund_cash = balance(state, FUND_ACCOUNT, cash_currency(size.cash_group))
        if contributed != fund_cash:
            raise Bug(f"members contributed {contributed} to the default fund, which has {fund_cash}")


def check_receivables(state: State) -> None:
    """Claims never exceed custody and receivables: an account that owes more than it has is called or in default.

    Every currency sums to zero with custody (`Journal.check_conserved`), so claims are custody and what accounts owe.
    What an account owes is a receivable where its equity is not negative. All else is under resolution: it ends in the
    waterfall, whose last layer leaves nothing. Reads accounts that the block touched, and called ones. Raises Bug.
    """
    book, called = margin_book(state), set(holders(state, CALLED_ACCOUNTS, 0))
    for account, equity in book.below_zero([account for account in sorted(called) if account in book]).items():
        resolving = account in called or is_in_default(state, account) or not state.terms.crisis.default.enabled
        if not resolving:
            raise Bug(f"account {account} has equity of {equity}, and nobody is called for it")


def check_backing(state: State) -> None:
    """No vault released more than it was credited. Raises Bug."""
    for asset in (*state.terms.assets.values(), *state.terms.collateral_after_leaving.values()):
        if inventory_units(state, asset) < 0:
            raise Bug(f"more of asset {asset.name} was released than was ever credited")
