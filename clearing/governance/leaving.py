"""Vaults whose detachment is due and waits for what they still owe.

Rule: the timelock is for whoever wants to take out what is there. Once it is over nothing new is promised there, and
while the chain can still be seen the detachment waits until what was promised is known to be paid or not paid: only on
that fact anything is given back. Of a chain that is silent nobody can know it; there the leaf in the withdrawals tree
stays what it is, a claim on the vault, and nothing comes back. It must not know how a vault is detached.
"""

from clearing.assets import Asset
from clearing.chains import chain_is_live
from clearing.gates.waiting import waiting_amounts
from clearing.governance.amendments import VaultDetachment
from clearing.governance.records import Stage
from clearing.governance.terms import VOTE_MS_MAX
from clearing.run import Run
from clearing.state.state import State


def is_leaving(state: State, chain_id: int, vault: bytes) -> bool:
    """Whether the detachment of this vault is agreed on, and its timelock is over."""
    change = state.changes.get(0)
    if change is None or (chain_id, vault) not in change.waiting:
        return False
    wanted, now_ms = VaultDetachment(chain_id, vault), state.now.time_ms
    return any(
        held.stage is Stage.AGREED and held.effective_ms <= now_ms and held.amendment == wanted
        for _, held in state.proposals.ordered()
    )


def owed_by(state: State, chain_id: int, vault: bytes) -> tuple[tuple[int, int], ...]:
    """(asset, base units) of what a vault was to pay and was not seen to have paid, ordered by asset."""
    waiting: dict[int, int] = {}
    for (_, asset), amount in waiting_amounts(state).items():
        waiting[asset] = waiting.get(asset, 0) + amount
    return tuple(
        (asset.id, amount)
        for asset in state.terms.assets.values()
        if (asset.chain_id, asset.vault) == (chain_id, vault)
        and (amount := _unpaid(state, asset) - waiting.get(asset.id, 0)) > 0
    )


def awaits_withdrawals(run: Run, amendment: VaultDetachment, effective_ms: int) -> bool:
    """Whether a detachment that is due waits for what its vault still owes.

    Whatever it owes was released before it was due, so it ends, paid or not, within the time that a withdrawal is good
    for; another timelock is left for all to agree on that. No longer is waited.
    """
    waits_ms = min(run.terms.market.withdrawal_valid_ms, VOTE_MS_MAX)
    waits_ms += run.terms.genesis.crisis.governance.timelock_ms
    if run.time_ms > effective_ms + waits_ms:
        return False
    due = {each.asset for _, each in run.state.give_back_due.ordered()}
    vault = (amendment.chain_id, amendment.vault)
    if any((asset.chain_id, asset.vault) == vault and asset.id in due for asset in run.terms.assets.values()):
        return True
    chain = run.terms.chains.get(amendment.chain_id)
    seen = chain is not None and chain_is_live(run, chain)
    return seen and run.terms.genesis.crisis.gates.give_back_expired and bool(owed_by(run.state, *vault))


def _unpaid(state: State, asset: Asset) -> int:
    flow, seen = state.flows[asset.id], state.custody.get(asset.id)
    released = int.from_bytes(flow.released_units, "big") * asset.base_units
    return released - (int.from_bytes(seen.seen.withdrawn, "big") if seen else 0)
