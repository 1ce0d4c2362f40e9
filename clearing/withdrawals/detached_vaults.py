"""Vaults due to be detached: nothing new is promised there, and the detachment waits for what they still owe.

Rule: while the chain can be seen, the detachment waits until every promised withdrawal is known to be paid or unpaid;
only on that fact money comes back. Of a silent chain nobody can know it: there the leaf in the withdrawals tree stays
a claim on the vault, and nothing comes back. This module must not know how a vault is detached.
"""

from clearing.context.block_context import BlockContext
from clearing.schema.records.governance import ProposalStage
from clearing.schema.requests.amendments import VaultDetachment
from clearing.schema.terms.assets import Asset
from clearing.schema.terms.governance import VOTE_MS_MAX
from clearing.state.state import State
from clearing.validators.observed_chains import is_chain_live
from clearing.withdrawals.delayed_withdrawals import delayed_amounts


def is_detaching(state: State, chain_id: int, vault: bytes) -> bool:
    """Whether the detachment of this vault is agreed on, and its timelock is over."""
    change = state.set_changes.get(0)
    if change is None or (chain_id, vault) not in change.awaited_vaults:
        return False
    wanted, now_ms = VaultDetachment(chain_id, vault), state.now.time_ms
    return any(
        proposal_record.stage is ProposalStage.AGREED
        and proposal_record.effective_ms <= now_ms
        and proposal_record.amendment == wanted
        for _, proposal_record in state.proposals.ordered()
    )


def owed_by_vault(state: State, chain_id: int, vault: bytes) -> tuple[tuple[int, int], ...]:
    """(asset, base units) of what a vault was to pay and was not seen to have paid, ordered by asset."""
    waiting: dict[int, int] = {}
    for (_, asset), amount in delayed_amounts(state).items():
        waiting[asset] = waiting.get(asset, 0) + amount
    return tuple(
        (asset.id, amount)
        for asset in state.terms.assets.values()
        if (asset.chain_id, asset.vault) == (chain_id, vault)
        and (amount := _unpaid_units(state, asset) - waiting.get(asset.id, 0)) > 0
    )


def awaits_vault_payments(context: BlockContext, amendment: VaultDetachment, effective_ms: int) -> bool:
    """Whether a detachment that is due waits for what its vault still owes.

    Whatever it owes was released before it was due, so it ends, paid or not, within the time that a withdrawal is good
    for; another timelock is left for all to agree on that. No longer is waited.
    """
    waits_ms = min(context.terms.market.withdrawal_valid_ms, VOTE_MS_MAX)
    waits_ms += context.terms.genesis.crisis.governance.timelock_ms
    if context.time_ms > effective_ms + waits_ms:
        return False
    due = {each.asset for _, each in context.state.refunds_due.ordered()}
    vault = (amendment.chain_id, amendment.vault)
    if any((asset.chain_id, asset.vault) == vault and asset.id in due for asset in context.terms.assets.values()):
        return True
    chain = context.terms.chains.get(amendment.chain_id)
    seen = chain is not None and is_chain_live(context, chain)
    return seen and context.terms.genesis.crisis.gates.give_back_expired and bool(owed_by_vault(context.state, *vault))


def _unpaid_units(state: State, asset: Asset) -> int:
    flow, seen = state.asset_flows[asset.id], state.custody.get(asset.id)
    released = int.from_bytes(flow.released_units, "big") * asset.base_units
    return released - (int.from_bytes(seen.counters.withdrawn, "big") if seen else 0)
