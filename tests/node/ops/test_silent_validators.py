"""Rules of the count of missing validators: only who is heard nowhere for a time is missing."""

from types import SimpleNamespace
from typing import Any

from clearing.base.validators import ValidatorSet
from node.ops.silent_validators import SILENT_HEIGHTS, SilentValidators
from tests.kit.validator_records import unproven_validator


def set_of(*names: int) -> ValidatorSet:
    return ValidatorSet(tuple(unproven_validator(bytes([name]) * 32, bytes([name]) * 48) for name in names))


def decided(height: int, signed: tuple[int, ...], extended: tuple[int, ...] = ()) -> Any:
    """A height: indices of who is in its certificate, and whose extensions of the height below its block has."""
    extensions = tuple(SimpleNamespace(validator=index) for index in extended)
    block = SimpleNamespace(header=SimpleNamespace(height=height), extended_commit=extensions)
    signers = sum(1 << index for index in signed).to_bytes(1, "big")
    return SimpleNamespace(block=block, certificate=SimpleNamespace(signers=signers))


FOUR, QUORUM = set_of(1, 2, 3, 4), (0, 1, 2)


def test_who_is_late_for_every_certificate_is_not_missing() -> None:
    silent = SilentValidators()
    counts = [silent.count(decided(height, QUORUM, (0, 1, 2, 3)), FOUR) for height in range(1, 100)]
    assert set(counts) == {0}


def test_who_is_heard_nowhere_is_missing_after_some_heights_until_it_is_heard_again() -> None:
    silent = SilentValidators()
    counts = [silent.count(decided(height, QUORUM, QUORUM), FOUR) for height in range(1, SILENT_HEIGHTS + 3)]
    assert counts == [0] * SILENT_HEIGHTS + [1, 1]
    assert silent.count(decided(SILENT_HEIGHTS + 3, (1, 2, 3)), FOUR) == 0


def test_indices_of_extensions_are_of_the_set_that_gave_them() -> None:
    silent, later = SilentValidators(), set_of(2, 3, 4, 5)
    for height in range(1, SILENT_HEIGHTS):
        silent.count(decided(height, QUORUM, QUORUM), FOUR)
    assert silent.count(decided(SILENT_HEIGHTS, QUORUM, (3,)), later) == 0, "index 3 is the fourth of the set before"
    assert silent.count(decided(SILENT_HEIGHTS + 1, (0, 1)), later) == 0
    assert silent.count(decided(2 * SILENT_HEIGHTS, (0, 1)), later) == 2, (
        "the third was heard before, the new one never"
    )
