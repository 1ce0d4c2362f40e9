"""The default fund as the API shows it.

Rule: as in `node.api.shapes`. All of it is public: who contributes how much, what is called for and by when, and with
the opening of the account that holds it, that it is there.
"""

from typing import Annotated

from msgspec import Meta

from node.api.inclusion_shapes import SlotName
from node.api.shapes import Body, Decimal, Id, Natural, SmallId

OpenedSeed = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", description="32 bytes; of the fund's account, and public")]


class FundScenario(Body, frozen=True):
    """What one stress scenario asked for at the last sizing."""

    name: str
    cover_two_micros: Natural
    largest_or_next_two_micros: Natural


class FundPart(Body, frozen=True):
    """One member's part."""

    member: Id
    micros: Natural
    """What it has in the fund."""
    required_micros: Natural
    exposure_micros: Natural
    """Initial margin of all its accounts at the last sizing."""
    called_micros: Natural
    deadline: Id
    """The height by which what was called for is due; 0: nothing was."""
    lapsed: bool
    """A deadline has passed already."""
    returned_at: Id
    """The height at which what is beyond its part is paid back; 0: nothing is."""
    status: str
    """active, restricted, defaulting, defaulted or left."""


class FundView(Body, frozen=True):
    """The fund of the newest decided height. Off while `cash_group` is 0."""

    height: Id
    cash_group: SmallId
    epoch: Id
    """After which it was sized last."""
    sized_at: Id
    sizing: str
    """cover_two or largest_or_next_two."""
    scenarios: tuple[FundScenario, ...]
    house_micros: Natural
    """What the house bears before members do."""
    sizes_micros: tuple[Natural, ...]
    """Of the last epochs, the newest last, with the buffer; the target is the largest."""
    target_micros: Natural
    minimum_micros: Natural
    total_micros: Natural
    """What all members have in the fund."""
    parts: tuple[FundPart, ...]
    """Ordered by member."""


class FundOpening(Body, frozen=True):
    """The account that holds the contributions, at an epoch's snapshot: for `crossclear fund verify`."""

    epoch: Id
    height: Id
    account: Id
    seed: OpenedSeed
    holdings: Annotated[dict[SlotName, Decimal], Meta(max_length=4096)]
    """By slot name; what is not named is zero."""
