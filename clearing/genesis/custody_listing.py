"""The custody listing: the vaults, tokens and units of genesis, as a statement must name them.

Rule: a function of genesis alone. Anybody with a trusted genesis can distinguish the network's vaults from others.
"""

from typing import TYPE_CHECKING, NamedTuple

from clearing.base.evm.storage import BalanceLocation

if TYPE_CHECKING:
    from clearing.schema.terms.assets import Asset
    from clearing.schema.terms.genesis import Genesis


class ListedCustody(NamedTuple):
    """The fixed fields of an asset's custody term."""

    chain_id: int
    vault: bytes
    token: bytes
    balances: BalanceLocation
    unit: int
    slot: str
    """Name of the slot that it backs."""


def listed_custody(genesis: "Genesis") -> frozenset[ListedCustody]:
    """All permitted custody terms: one per asset, and another for a cash token that may leave its group."""
    groups = {group.id: group.name for group in genesis.cash_groups}
    found = set[ListedCustody]()
    for asset in genesis.assets:
        found.add(_custody_of(asset, groups))
        if asset.has_depeg_guard:
            found.add(_custody_of(asset.as_collateral, groups))
    return frozenset(found)


def _custody_of(asset: "Asset", groups: dict[int, str]) -> ListedCustody:
    slot = f"cash:{groups[asset.cash_group]}" if asset.is_cash else f"token:{asset.chain_id}:{asset.name}"
    return ListedCustody(asset.chain_id, asset.vault, asset.token, asset.balances, asset.base_units, slot)
