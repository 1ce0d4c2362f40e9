"""Invariants: what must hold after every block, whatever was in it.

Rule: the cheap checks run in every block and cost what the block touched; the whole ones are linear in the state and
run in tests, on import and in audits. A violation is a `Bug`: nothing may be signed after it.
"""

from clearing.base.errors import Bug
from clearing.context.block_context import BlockContext
from clearing.state.ledger import FUND_ACCOUNT, balance, cash_currency, check_whole_ledger, inventory_units
from clearing.state.positions import check_whole_book
from clearing.state.state import State


def check_block(context: BlockContext) -> None:
    """Phase 13, after everything. Raises Bug."""
    context.journal.check_conserved()
    context.positions.check_matched()
    check_fund_balance(context.state)
    _check_backing(context.state)


def check_fund_balance(state: State) -> None:
    """The default fund's cash is what members have in it. Raises Bug."""
    size = state.fund_sizes.get(0)
    if size is not None:
        parts = sum(record.micros for _, record in state.contributions.ordered())
        there = balance(state, FUND_ACCOUNT, cash_currency(size.cash_group))
        if parts != there:
            raise Bug(f"members have {parts} in the default fund, which has {there}")


def check_whole_state(state: State) -> None:
    """Everything, over the whole state. Raises Bug."""
    check_whole_ledger(state)
    check_whole_book(state)
    check_fund_balance(state)
    _check_backing(state)


def _check_backing(state: State) -> None:
    for asset in (*state.terms.assets.values(), *state.terms.collateral_after_leaving.values()):
        if inventory_units(state, asset) < 0:
            raise Bug(f"more of asset {asset.name} was released than was ever credited")
