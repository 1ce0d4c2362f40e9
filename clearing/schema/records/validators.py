"""What the state holds about validator sets.

Rule: data only. A set is known by its number, 0 for genesis, one more with every change; a set itself never changes.
"""

from clearing.base.codec import U32, U63, Bytes20, Bytes32, Wire
from clearing.base.validators import ValidatorSet


class ValidatorSetRecord(Wire, frozen=True):
    """A set, and the first height that it certifies; the last is the one below the next set's first."""

    since_height: U63
    validators: ValidatorSet


class SetNumbersRecord(Wire, frozen=True):
    """Numbers of the sets around the state after height h. Equal but for the three blocks after a change."""

    attesting: U63
    """Certified h - 1: what its extensions said stands in the state under indices into this set."""
    last: U63
    """Certified h: the next block's extensions are of this set."""
    now: U63
    """Of h + 1."""
    next: U63
    """Of h + 2, which the header of h + 1 commits to."""


class SetChangeRecord(Wire, frozen=True):
    """A change under way. `height`: of the block that made it; the header one above rotates the vaults."""

    number: U63
    height: U63
    awaited_vaults: tuple[tuple[U63, Bytes20], ...]
    """(chain id, vault) of those not yet seen to have rotated, ordered."""
    diverged_vaults: tuple[tuple[U63, Bytes20], ...] = ()
    """Of these, those seen to follow a set that is not ours; nothing more is heard about them."""


class ScheduledAdditionRecord(Wire, frozen=True):
    """A change that waits to begin, because it gives somebody a voice."""

    number: U63
    """Of the set that it makes."""
    before: Bytes32
    """Hash of the set that it starts from."""
    after: ValidatorSet
    approved_power: U63
    accepted_height: U63
    due_ms: U63


class OffencesRecord(Wire, frozen=True):
    """What was proven of one kind against one envelope key. A validator that leaves keeps its record."""

    count: U63
    heights: tuple[U63, ...]
    """At which, ordered; those too old to be proven again are dropped."""
    height: U63
    """Of the offence noted last, and its round."""
    round: U32
    power: U63
    """What the key had then."""
    recorded_height: U63
    """The block that noted it."""
