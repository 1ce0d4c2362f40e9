"""Margin calls under way, of all accounts. Accounts of other members are masked."""

from typing import Literal

from clearing.schema.records.margin_calls import CallKind
from clearing.state.state import State
from member.api.streams import CallNow, CallsNow
from member.explaining.receipt_index import Masks
from node.api.calls import ApiCall, Routes
from node.api.receipts import masks_of

routes = Routes()
CALLS_MAX = 256


@routes.get("/v1/calls", signed=True)
def calls(call: ApiCall) -> CallsNow:
    """Margin calls and early calls under way, at most 256. Accounts of other members are masked."""
    return CallsNow(height=call.state.now.height, calls=calls_now(call.state, masks_of(call.state, call.signer)))


def calls_now(state: State, masks: Masks) -> tuple[CallNow, ...]:
    """Those of the first accounts, by account."""
    found: list[CallNow] = []
    for account, call in state.margin_calls.ordered():
        if len(found) == CALLS_MAX:
            break
        kind: Literal["early", "margin"] = "early" if call.kind is CallKind.EARLY else "margin"
        found.append(
            CallNow(
                account=masks(account),
                kind=kind,
                opened_height=call.opened_height,
                deadline_height=call.deadline_height,
                lapsed=call.lapsed,
            )
        )
    return tuple(found)
