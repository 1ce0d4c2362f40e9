"""Vault detachment: a vault whose chain never returns is detached, so that validators can change again.

Rule: only a vault that a validator change has awaited for long enough, and never the last one. The value of its tokens
is decided at the same time: cash of a group leaves the group first, so that every claim on the group bears the same
part. From then on nothing of the vault is accepted, paid or counted. This module must not know how a chain is observed.
"""

import msgspec

from clearing.base.codec import u256
from clearing.base.errors import Detail, Rejected
from clearing.collateral.cash_tokens import has_left_cash_group, leave_cash_group
from clearing.collateral.haircut_rates import chain_silence_ms
from clearing.context.block_context import BlockContext
from clearing.deposits.soft_credit import recall_vault_credit
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.facts import CustodySeen
from clearing.schema.receipts.governance import VaultDetached, VaultLiability
from clearing.schema.records.collateral import CustodyRecord
from clearing.schema.records.governance import DetachedVaultRecord
from clearing.schema.requests.governance import VaultDetachment
from clearing.schema.terms.assets import Asset
from clearing.schema.terms.genesis import Genesis
from clearing.state.ledger import inventory_units
from clearing.state.state import State
from clearing.validators.chain_attestations import is_detached
from clearing.withdrawals.delayed_release import recall_vault_withdrawals
from clearing.withdrawals.detached_vaults import owed_by_vault

AT = "detachment"


def genesis_without_detached(state: State) -> Genesis:
    """Genesis as amended without the chains of detached vaults: the chains to watch and to relay to."""
    genesis = state.terms.genesis
    attached = tuple(chain for chain in genesis.chains if not is_detached(state, chain.chain_id, chain.vault))
    return genesis if len(attached) == len(genesis.chains) else msgspec.structs.replace(genesis, chains=attached)


def check_detachment(state: State, amendment: VaultDetachment) -> Rejected | None:
    """Whether this vault may be detached."""
    vault, set_change = (amendment.chain_id, amendment.vault), state.set_changes.get(0)
    named: dict[str, Detail] = {"chain_id": amendment.chain_id, "vault": amendment.vault}
    if set_change is None or vault not in set_change.awaited_vaults:
        return reject(ClearingCode.DETACHMENT_REFUSED, AT, **named, why="no validator change waits for this vault")
    waited_blocks, required = state.now.height - set_change.height, state.terms.genesis.crisis.governance.detach_blocks
    if waited_blocks < required:
        return reject(ClearingCode.DETACHMENT_REFUSED, AT, **named, waited_blocks=waited_blocks, least=required)
    others = [chain for chain in state.terms.chains.values() if not is_detached(state, chain.chain_id, chain.vault)]
    if len(others) < 2:
        return reject(ClearingCode.DETACHMENT_REFUSED, AT, **named, why="it is the last vault")
    for asset in state.terms.assets.values():
        stuck = asset.is_cash and not asset.has_depeg_guard and inventory_units(state, asset) > 0
        if (asset.chain_id, asset.vault) == vault and stuck:
            # A vote must first define what its claims become, by a depeg guard.
            why = "a token cannot leave its cash group"
            return reject(ClearingCode.DETACHMENT_REFUSED, AT, **named, asset=asset.id, why=why)
    return None


def detach_vault(context: BlockContext, amendment: VaultDetachment) -> None:
    """Detach the vault. The caller has checked it, and changes the terms next."""
    vault, change = (amendment.chain_id, amendment.vault), context.state.set_changes[0]
    recall_vault_credit(context, *vault)
    recall_vault_withdrawals(context, *vault)
    for asset in context.terms.assets.values():
        if (
            (asset.chain_id, asset.vault) == vault
            and asset.has_depeg_guard
            and not has_left_cash_group(context.state, asset.id)
        ):
            leave_cash_group(context, asset, 0, chain_silence_ms(context.state, asset.chain_id))
    for asset in context.terms.assets.values():
        if (asset.chain_id, asset.vault) == vault:
            _settle_custody(context.state, asset)
    waiting = tuple(awaited_vault for awaited_vault in change.awaited_vaults if awaited_vault != vault)
    astray = tuple(diverged_vault for diverged_vault in change.diverged_vaults if diverged_vault != vault)
    context.state.set_changes.put(0, msgspec.structs.replace(change, awaited_vaults=waiting, diverged_vaults=astray))
    context.state.detached_vaults.put(vault, DetachedVaultRecord(context.block.height, change.number - 1))
    context.receipts.append(
        VaultDetached(amendment.chain_id, amendment.vault, change.number - 1, context.block.height - change.height)
    )
    context.receipts.extend(
        VaultLiability(*vault, asset, u256(amount)) for asset, amount in owed_by_vault(context.state, *vault)
    )


def _settle_custody(state: State, asset: Asset) -> None:
    """Set the vault's last counters to what the ledger credited if they are older; no newer counters will be observed.

    Otherwise no epoch could close again. The balance has no effect, because nobody can prove it or pay it out.
    """
    flow, record = state.asset_flows[asset.id], state.custody.get(asset.id)
    nothing = CustodySeen(asset.chain_id, asset.vault, asset.token, 0, bytes(32), u256(0), u256(0), u256(0))
    counters = record.counters if record is not None else nothing
    credited, withdrawn = int.from_bytes(flow.deposited_amount, "big"), int.from_bytes(counters.withdrawn, "big")
    if record is not None and int.from_bytes(counters.deposited, "big") >= credited:
        return
    balance = u256(max(credited - withdrawn, 0))
    final = msgspec.structs.replace(counters, deposited=flow.deposited_amount, balance=balance)
    state.custody.put(asset.id, CustodyRecord(final))
