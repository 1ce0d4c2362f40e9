"""Calls that an account is under, out of the state.

Rule: reads only.
"""

from clearing.calls.records import CallKind
from clearing.state.state import State
from node.api.shapes import CallUnderWay


def calls_of(state: State, account: int) -> tuple[CallUnderWay, ...]:
    """The account's call for margin, or early one; none where it has none, or genesis gives calls no deadline."""
    held = state.margin_calls.get(account)
    if held is None:
        return ()
    return (
        CallUnderWay(
            kind="early" if held.kind is CallKind.EARLY else "margin",
            opened_height=held.opened_height,
            deadline_height=held.deadline_height,
            lapsed=held.lapsed,
        ),
    )
