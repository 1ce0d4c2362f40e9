"""Asset flows: what each vault received, was to pay, and owes outside the ledger, per token.

Rule: flows are in token base units and count every token, also one that the terms do not list: listing it later then
finds its flows complete. They are counters beside the ledger and move no money.
"""

from clearing.base.errors import Bug
from clearing.schema.records.collateral import AssetFlowRecord, FlowAmounts
from clearing.state.state import State

_LIMIT = 2**256 - 1
TokenAtVault = tuple[int, bytes, bytes]
"""(chain id, vault, token)."""


def asset_flow(state: State, token: TokenAtVault) -> FlowAmounts:
    """The flows of a token at a vault."""
    listed = state.terms.assets_by_token.get(token)
    record = state.unlisted_flows.get(token) if listed is None else state.asset_flows[listed.id]
    return (record or AssetFlowRecord()).amounts()


def change_flow(state: State, token: TokenAtVault, change: FlowAmounts) -> None:
    """Add amounts, which may be negative, to the flows of a token at a vault. Raises Bug below zero."""
    before, listed = asset_flow(state, token), state.terms.assets_by_token.get(token)
    after = FlowAmounts(*(_added(amount, more) for amount, more in zip(before, change, strict=True)))
    if min(after) < 0:
        raise Bug(f"flows of {token} would be {after}")
    record = after.record()
    if listed is None:
        state.unlisted_flows.put(token, record)
    else:
        state.asset_flows.put(listed.id, record)


def _added(amount: int, more: int) -> int:
    """The sum. No vault counts beyond 256 bits: a counter that reached the limit by facts of no vault stays there."""
    return _LIMIT if amount == _LIMIT else min(amount + more, _LIMIT)


def take_unlisted_flow(state: State, token: TokenAtVault) -> AssetFlowRecord:
    """The flows that a token had before it was listed, which are its own from now on."""
    record = state.unlisted_flows.get(token)
    state.unlisted_flows.remove(token)
    return record or AssetFlowRecord()
