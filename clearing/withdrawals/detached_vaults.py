"""Vaults due to be detached: they accept no new withdrawals, and the detachment waits for what they still owe.

Rule: while the chain is live, the detachment waits until every released withdrawal is known to be paid or unpaid. Money
is refunded only on that fact. Of a silent chain nobody can know it: there the leaf in the withdrawals tree stays a
claim on the vault, and nothing is refunded. This module must not know how a vault is detached.
"""

from clearing.context.block_context import BlockContext
from clearing.schema.records.governance import ProposalStage
from clearing.schema.requests.governance import VaultDetachment
from clearing.schema.terms.assets import Asset
from clearing.schema.terms.governance import VOTE_MS_MAX
from clearing.state.asset_flows import asset_flow
from clearing.state.state import State
from clearing.validators.chain_attestations import is_chain_live
from clearing.withdrawals.delay_queue import delayed_amounts


def is_detaching(state: State, chain_id: int, vault: bytes) -> bool:
    """Whether the detachment of this vault is approved, and its timelock has ended."""
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
    """(asset, base units) that a vault was to pay and was not observed to have paid, ordered by asset."""
    waiting: dict[int, int] = {}
    for (_, asset), amount in delayed_amounts(state).items():
        waiting[asset] = waiting.get(asset, 0) + amount
    return tuple(
        (asset.id, amount)
        for asset in state.terms.assets.values()
        if (asset.chain_id, asset.vault) == (chain_id, vault)
        and (amount := _unpaid_amount(state, asset) - waiting.get(asset.id, 0)) > 0
    )


def awaits_vault_payments(context: BlockContext, amendment: VaultDetachment, effective_ms: int) -> bool:
    """Whether a due detachment still waits for what its vault owes.

    Everything it owes was released before the detachment was due, so each withdrawal is paid or expired within its
    validity. One more timelock is allowed for the agreement on that fact. Then the wait ends.
    """
    waits_ms = min(context.terms.market.withdrawal_valid_ms, VOTE_MS_MAX)
    waits_ms += context.terms.genesis.crisis.governance.timelock_ms
    if context.time_ms > effective_ms + waits_ms:
        return False
    due = {refund.asset for _, refund in context.state.refunds_due.ordered()}
    vault = (amendment.chain_id, amendment.vault)
    if any((asset.chain_id, asset.vault) == vault and asset.id in due for asset in context.terms.assets.values()):
        return True
    chain = context.terms.chains.get(amendment.chain_id)
    chain_live = chain is not None and is_chain_live(context, chain)
    return (
        chain_live
        and context.terms.genesis.crisis.gates.give_back_expired
        and bool(owed_by_vault(context.state, *vault))
    )


def _unpaid_amount(state: State, asset: Asset) -> int:
    custody = state.custody.get(asset.id)
    released = asset_flow(state, (asset.chain_id, asset.vault, asset.token)).released
    return released - (int.from_bytes(custody.counters.withdrawn, "big") if custody else 0)
