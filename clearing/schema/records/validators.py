"""Records of validator sets, their changes and proven offences.

Rule: data only. A set is identified by its number, 0 for genesis, one more with every change. A set itself never
changes.
"""

from clearing.base.codec import U32, U63, Bytes20, Bytes32, Wire
from clearing.base.validators import ValidatorSet


class ValidatorSetRecord(Wire, frozen=True):
    """A set, and the first height that it certifies. The last is the one below the next set's first."""

    since_height: U63
    validators: ValidatorSet


class SetNumbersRecord(Wire, frozen=True):
    """Numbers of the sets around the state after height h. They are equal except in the three blocks after a change."""

    attesting: U63
    """The set that certified h - 1. Validator indices of its extensions in the state refer to this set."""
    last: U63
    """The set that certified h, whose extensions the next block contains."""
    now: U63
    """The set of h + 1."""
    next: U63
    """The set of h + 2, to which the header of h + 1 commits."""


class SetChangeRecord(Wire, frozen=True):
    """A change under way. `height`: of the block that made it. The header one above rotates the vaults."""

    number: U63
    height: U63
    awaited_vaults: tuple[tuple[U63, Bytes20], ...]
    """(chain id, vault) of vaults not yet seen to have rotated, ordered."""
    diverged_vaults: tuple[tuple[U63, Bytes20], ...] = ()
    """Those of them that follow another set than ours. No more facts about them are accepted."""


class ScheduledAdditionRecord(Wire, frozen=True):
    """A change that is scheduled for later, because it adds voting power."""

    number: U63
    """Number of the new set."""
    before: Bytes32
    """Hash of the set that it starts from."""
    after: ValidatorSet
    approved_power: U63
    accepted_height: U63
    due_ms: U63


class HeightTimesRecord(Wire, frozen=True):
    """Times of past heights, in order: `clearing.validators.evidence_age` decides of which."""

    marks: tuple[tuple[U63, U63], ...]
    """(height, ms since the Unix epoch)."""


class OffencesRecord(Wire, frozen=True):
    """Proven offences of one kind by one envelope key. The record stays when the validator leaves."""

    count: U63
    heights: tuple[U63, ...]
    """Their heights, ordered; those too old to be proven again are dropped."""
    height: U63
    """Height and round of the last recorded offence."""
    round: U32
    power: U63
    """Power of the key then."""
    recorded_height: U63
    """The block that recorded it."""
