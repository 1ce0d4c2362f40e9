"""Invariants: what must hold after every block, whatever was in it.

Rule: the cheap checks run in every block and cost what the block touched; the whole ones are linear in the state and
run in tests, on import and in audits. A violation is a `Bug`: nothing may be signed after it.
"""

from clearing.base.errors import Bug
from clearing.ledger import check_whole_ledger, held
from clearing.positions import check_whole_book
from clearing.run import Run
from clearing.state.state import State


def check_block(run: Run) -> None:
    """Step 8. Raises Bug."""
    run.journal.check_conserved()
    run.positions.check_matched()
    for asset in (*run.terms.assets.values(), *run.terms.collateral_of.values()):
        if held(run.state, asset) < 0:
            raise Bug(f"more of asset {asset.name} was released than was ever credited")


def check_state(state: State) -> None:
    """Everything, over the whole state. Raises Bug."""
    check_whole_ledger(state)
    check_whole_book(state)
    for asset in (*state.terms.assets.values(), *state.terms.collateral_of.values()):
        if held(state, asset) < 0:
            raise Bug(f"more of asset {asset.name} was released than was ever credited")
