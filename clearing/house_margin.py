"""The clearing house's own account is margined like any, by the same requirement, and told of; never liquidated.

Rule: what the house took over in liquidations has risk that its capital must carry. Below initial margin it is called,
which everybody sees, it may then only reduce its risk, and its capital may not leave; below maintenance its shortfall
is public in the epoch's statement like anybody's. Nobody takes its positions over: that is for the default waterfall.
"""

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.calls.margin_calls import call, restore
from clearing.holdings import arrays_of, book_of, holdings_of, margin_of
from clearing.run import Run


def check_house(run: Run) -> None:
    """Call the house when its capital does not cover the initial margin of what it holds, and take the call back."""
    record = run.state.accounts[HOUSE_ACCOUNT]
    if not book_of(run.state, HOUSE_ACCOUNT).lots and not record.called_height:
        return
    margin = margin_of(arrays_of(run.state), holdings_of(run.state, HOUSE_ACCOUNT))
    (restore if margin.initial_ok else call)(run, HOUSE_ACCOUNT, margin)
