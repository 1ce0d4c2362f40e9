"""Proven misbehaviour is on record by key, once each, and bounded whatever a faulty validator does."""

import msgspec

from clearing.schema.blocks.block import ProvenOffence
from clearing.schema.blocks.receipt import Receipt
from clearing.schema.receipts.validators import MisbehaviourRecorded
from clearing.validators.misbehaviour import OFFENCE_HEIGHTS_MAX, is_reported
from clearing.validators.validator_sets import EVIDENCE_HEIGHTS
from tests.kit.clearing.chamber import chamber_world
from tests.kit.clearing.signer import key_of
from tests.kit.clearing.world import World, of_kind


def offence(height: int, name: int = 1, kind: int = 1, round_: int = 0) -> ProvenOffence:
    return ProvenOffence(key_of(name), kind, height, round_, 10)


def note(chamber: World, *offences: ProvenOffence) -> list[Receipt]:
    found: list[Receipt] = of_kind(chamber.hear({}, misbehaviour=offences), MisbehaviourRecorded)
    return found


def test_an_offence_is_on_record_with_a_receipt(chamber: World) -> None:
    told = note(chamber, offence(1, round_=3), offence(1, name=2, kind=4))
    assert [(each.envelope_key, each.kind, each.height, each.round, each.count) for each in told] == [
        (key_of(1), 1, 1, 3, 1),
        (key_of(2), 4, 1, 0, 1),
    ]
    held = chamber.state.offences[(key_of(1), 1)]
    assert (held.count, held.heights, held.power, held.recorded_height) == (1, (1,), 10, 1)
    assert is_reported(chamber.state, key_of(1), 1, 1)
    assert not is_reported(chamber.state, key_of(1), 2, 1)
    assert not is_reported(chamber.state, key_of(1), 1, 2)
    assert not is_reported(chamber.state, key_of(3), 1, 1)


def test_the_record_is_part_of_what_is_agreed() -> None:
    one, two = chamber_world(), chamber_world()
    one.hear({})
    note(two, offence(1))
    assert one.state.module_roots() != two.state.module_roots()
    assert is_reported(two.read_back(), key_of(1), 1, 1)


def test_a_validator_that_left_keeps_its_record(chamber: World) -> None:
    note(chamber, offence(1))
    chamber.change([1])
    chamber.settle()
    assert is_reported(chamber.state, key_of(1), 1, 1)
    assert [each.count for each in note(chamber, offence(2))] == [2]


def test_what_one_key_can_make_the_state_hold_is_bounded_within_the_heights_that_can_be_proven(chamber: World) -> None:
    for height in range(1, OFFENCE_HEIGHTS_MAX + 1):
        assert not is_reported(chamber.state, key_of(1), height, 1)
        note(chamber, offence(height))
    assert is_reported(chamber.state, key_of(1), 999, 1), "no more of its like are taken"
    assert not is_reported(chamber.state, key_of(1), 999, 2)
    assert not is_reported(chamber.state, key_of(2), 999, 1)
    later = EVIDENCE_HEIGHTS + 3
    chamber.state.clock.put(0, msgspec.structs.replace(chamber.state.now, height=later))
    assert not is_reported(chamber.state, key_of(1), later, 1), "two are too old by now"
    note(chamber, offence(later))
    held = chamber.state.offences[(key_of(1), 1)]
    assert held.count == OFFENCE_HEIGHTS_MAX + 1
    assert held.heights == (*range(4, OFFENCE_HEIGHTS_MAX + 1), later)
