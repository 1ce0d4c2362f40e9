"""What a member could take out if everything ended at an epoch, as typed values.

Rule: as in `node.api.shapes`; a leaf's salt is a secret, so that it is served only where nobody reads along.
"""

from typing import Annotated

from msgspec import Meta

from clearing.base.merkle import DEPTH_MAX
from node.api.shapes import Address, Body, Hash, Id, SmallId

LEAVES_MAX = 4096
TokenAmount = Annotated[str, Meta(pattern="^(0|[1-9][0-9]{0,77})$", description="in the token's base units")]


class ExitLeafView(Body, frozen=True):
    """One leaf: the token and the address that it pays. It is hashed as
    salt, epoch, chain_id, vault, account, token, to, amount, 32 bytes each."""

    index: Id
    """Place among the leaves."""
    chain_id: Id
    vault: Address
    token: Address
    to: Address
    """Who signs for money that leaves the account."""
    amount: TokenAmount
    salt: Hash
    """Keep it secret: with it, an amount can be guessed from the tree."""
    path: Annotated[tuple[Hash, ...], Meta(max_length=DEPTH_MAX)]
    """Siblings from the leaf to the top."""


class ExitView(Body, frozen=True):
    """An own account's leaves under the exit root of an epoch. No leaves: there was nothing to take out."""

    epoch: Id
    height: Id
    """Whose header is the first to carry the root: GET /v1/light/{height}."""
    account: Id
    exit_root: Hash
    leaf_count: SmallId
    """Of the whole tree; it is inside the root."""
    leaves: Annotated[tuple[ExitLeafView, ...], Meta(max_length=LEAVES_MAX)]
