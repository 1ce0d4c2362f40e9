"""What a member needs to check its own account in an epoch package, as typed values.

Rule: as in `node.api.shapes`; it holds a secret, so that it is served only where nobody reads along.
"""

from typing import Annotated

from msgspec import Meta

from node.api.shapes import Body, Decimal, Id

Seed = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", description="32 bytes; keep it secret")]
SlotName = Annotated[str, Meta(min_length=1, max_length=256)]


class InclusionView(Body, frozen=True):
    """An own account at an epoch's snapshot. Compare the holdings with your own records: the node may err or lie."""

    epoch: Id
    height: Id
    """Of the snapshot."""
    account: Id
    seed: Seed
    """The account's commitment seed, as `crossclear verify --seed-file` takes it."""
    holdings: Annotated[dict[SlotName, Decimal], Meta(max_length=4096)]
    """By slot name, as `crossclear verify --holdings` takes them; what is not named is zero."""
    package: bool
    """Whether this node keeps a package of the epoch: `GET /v1/proofs/{epoch}`."""
