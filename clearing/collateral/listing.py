"""Which tokens are cash and which are collateral at a state: a token that left its group is collateral from then on.

Rule: whoever asks what an asset is at a height asks here; `Terms.assets` is what the network started with. Reads only.
"""

from collections.abc import Iterator

from clearing.assets import Asset
from clearing.state.state import State


def has_left(state: State, asset: int) -> bool:
    """Whether a cash token has left its group."""
    guard = state.guards.get(asset)
    return guard is not None and guard.left_height != 0


def asset_now(state: State, asset: Asset) -> Asset:
    """The asset of genesis as it is now: a cash token that left, as the collateral that it became."""
    return state.terms.collateral_of[asset.id] if asset.may_leave and has_left(state, asset.id) else asset


def assets_now(state: State) -> Iterator[Asset]:
    """All assets as they are now, ordered by id."""
    return (asset_now(state, asset) for asset in state.terms.assets.values())


def cash_tokens(state: State, group: int) -> tuple[Asset, ...]:
    """The tokens that back a cash group now, ordered by id."""
    return tuple(asset for asset in assets_now(state) if asset.cash_group == group)


def is_suspect(state: State, asset: int) -> bool:
    """Whether a cash token is beyond its band and has not left: nobody may gain or lose by being quick."""
    guard = state.guards.get(asset)
    return guard is not None and guard.out_blocks > 0 and guard.left_height == 0


def is_suspended(state: State, group: int) -> bool:
    """Whether any token of a cash group is beyond its band: nothing is withdrawn of the group meanwhile."""
    return any(is_suspect(state, asset.id) for asset in state.terms.assets.values() if asset.cash_group == group)
