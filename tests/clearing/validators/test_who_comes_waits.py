"""Where genesis names a delay, who comes among the validators is known before; who only goes, goes at once."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.base.errors import LocalFault
from clearing.base.validators import Validator
from clearing.genesis.checks import check_genesis
from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.validators import ValidatorAdditionDropped, ValidatorAdditionScheduled, ValidatorsChanged
from clearing.schema.terms.genesis import CrisisParameters, Genesis
from clearing.schema.terms.governance import ENTRY_DELAY_MS_MAX, GovernanceTerms
from clearing.validators.set_changes import RULE_INDEX
from clearing.validators.validator_sets import set_numbers, stored_set
from member.printing.validators import validators_text
from node.api.chain import validators_of
from tests.kit.clearing.chamber import GOVERNED, chamber_genesis, chamber_world, governed_genesis, parliament_world
from tests.kit.clearing.signer import key_of, validator
from tests.kit.clearing.world import World, of_kind

DELAY_MS = 5_000
UNDER_WAY, STALE = ClearingCode.VALIDATOR_CHANGE_UNDER_WAY, ClearingCode.WRONG_VALIDATOR_SET


def patient_genesis(delay_ms: int = DELAY_MS) -> Genesis:
    genesis = chamber_genesis(dict.fromkeys(range(1, 5), 10))
    terms = GovernanceTerms(entry_delay_ms=delay_ms)
    return msgspec.structs.replace(genesis, crisis=CrisisParameters(governance=terms))


def patient() -> World:
    chamber = chamber_world(genesis=patient_genesis())
    chamber.block()
    return chamber


@pytest.fixture
def chamber() -> World:
    return patient()


def number(chamber: World) -> int:
    return set_numbers(chamber.state).next


@pytest.mark.parametrize(
    ("left", "entered"),
    [
        pytest.param([], [validator(8)], id="a newcomer"),
        pytest.param([4], [validator(8)], id="one for another"),
        pytest.param([], [validator(4, 12)], id="more power"),
        pytest.param([], [validator(4, 10, bls_name=9)], id="another key"),
    ],
)
def test_who_comes_waits(chamber: World, left: list[int], entered: list[Validator]) -> None:
    (scheduled,) = of_kind(chamber.change(left, entered), ValidatorAdditionScheduled)
    assert (scheduled.number, scheduled.due_ms, scheduled.approved_power) == (1, chamber.time_ms + DELAY_MS, 40)
    assert scheduled.entered == tuple(each.envelope_key for each in entered)
    assert scheduled.left == tuple(key_of(each) for each in left)
    shown = validators_of(chamber.state)
    assert shown.entry is not None
    assert [bytes.fromhex(each.envelope_key[2:]) for each in shown.entry.validators] == list(scheduled.entered)
    assert f"change 1 is delayed until {scheduled.due_ms} ms" in validators_text(shown)
    for _ in range(DELAY_MS // 1_000 - 1):
        assert not of_kind(chamber.block(), ValidatorsChanged)
        assert number(chamber) == 0
    (begun,) = of_kind(chamber.block(), ValidatorsChanged)
    assert (begun.index, begun.number, begun.after, begun.approved_power) == (RULE_INDEX, 1, scheduled.after, 40)
    assert validators_of(chamber.state).entry is None
    chamber.settle()
    assert stored_set(chamber.state, 1).hash == scheduled.after


@pytest.mark.parametrize(
    ("left", "entered"), [([4], []), ([], [validator(4, 3)])], ids=["a leaver", "who keeps less power"]
)
def test_who_only_goes_goes_at_once(chamber: World, left: list[int], entered: list[Validator]) -> None:
    assert of_kind(chamber.change(left, entered), ValidatorsChanged)
    assert not list(chamber.state.scheduled_additions.ordered())


def test_lost_keys_are_put_out_at_once_and_replaced_after_the_delay(chamber: World) -> None:
    chamber.block(chamber.signed(chamber.unsigned([4]), [1, 2, 3]))
    assert number(chamber) == 1
    chamber.settle()
    chamber.block(chamber.signed(chamber.unsigned([], [validator(8)]), [1, 2, 3]))
    assert number(chamber) == 1
    while number(chamber) == 1:
        chamber.block()
    chamber.settle()
    assert set(chamber.speakers()) == {1, 2, 3, 8}


def test_no_request_that_is_sent_again_puts_off_what_waits(chamber: World) -> None:
    first = chamber.signed(chamber.unsigned([], [validator(8)]))
    other = chamber.signed(chamber.unsigned([], [validator(9)]))
    assert not chamber.refusals(first)
    due_ms = chamber.state.scheduled_additions[0].due_ms
    for request in (first, other, first, other):
        assert chamber.refusals(request) == [UNDER_WAY]
    assert chamber.state.scheduled_additions[0].due_ms == due_ms
    chamber.block()
    assert number(chamber) == 1
    assert chamber.refusals(other, first) == [STALE, STALE]


def test_what_goes_meanwhile_voids_what_was_signed_for_the_set_before(chamber: World) -> None:
    waiting = chamber.signed(chamber.unsigned([], [validator(8)]))
    chamber.block(waiting)
    assert of_kind(chamber.change([4]), ValidatorsChanged)
    (dropped,) = of_kind(chamber.block(), ValidatorAdditionDropped)
    assert (dropped.number, dropped.in_force) == (1, stored_set(chamber.state, 1).hash)
    assert not list(chamber.state.scheduled_additions.ordered())
    chamber.wait(DELAY_MS // 1_000)
    chamber.settle()
    assert set(chamber.speakers()) == {1, 2, 3}
    assert chamber.refusals(waiting) == [STALE]


def test_what_waits_survives_a_snapshot(chamber: World) -> None:
    chamber.change([], [validator(8)])
    assert chamber.read_back().scheduled_additions[0] == chamber.state.scheduled_additions[0]


def test_without_a_delay_everything_is_as_before() -> None:
    chamber = chamber_world()
    chamber.block()
    assert of_kind(chamber.change([], [validator(8)]), ValidatorsChanged)


def test_a_vote_lets_nobody_in_sooner_and_cannot_change_the_delay() -> None:
    floor = GOVERNED.timelock_floor_ms
    terms = msgspec.structs.replace(GOVERNED, entry_delay_ms=floor)
    house = parliament_world(governed_genesis(terms=terms))
    for delay_ms in (0, floor - 1, floor + 1):
        proposal = house.proposal(house.changes(("crisis.governance.entry_delay_ms", delay_ms)))
        assert house.refusals(proposal) == [ClearingCode.AMENDMENT_FROZEN]
    house.agree(house.seats_changed([], [validator(9)]))
    assert of_kind(house.wait(), ValidatorsChanged)
    with pytest.raises(LocalFault, match="entry_delay_ms"):
        check_genesis(governed_genesis(terms=msgspec.structs.replace(GOVERNED, entry_delay_ms=floor + 1)))
    check_genesis(patient_genesis(ENTRY_DELAY_MS_MAX))
    with pytest.raises(LocalFault, match="entry_delay_ms"):
        check_genesis(patient_genesis(ENTRY_DELAY_MS_MAX + 1))


@given(st.lists(st.sampled_from(["in", "out", "block", "again", "settle"]), max_size=25))
def test_whoever_gains_a_voice_was_known_for_the_delay(deeds: list[str]) -> None:
    chamber = patient()
    sent, fresh = [], iter(range(10, 40))
    scheduled: dict[bytes, int] = {}
    for deed in deeds:
        if deed == "in":
            sent.append(chamber.signed(chamber.unsigned([], [validator(next(fresh), 4)])))
            chamber.block(sent[-1])
        elif deed == "out":
            chamber.change([max(chamber.seats)])
        elif deed == "again":
            chamber.block(*sent)
        elif deed == "settle" and 0 in chamber.state.set_changes:
            chamber.block(facts=chamber.rotations())
        else:
            chamber.block()
        result = chamber.results[-1]
        scheduled |= {each.after: chamber.time_ms for each in of_kind(result, ValidatorAdditionScheduled)}
        for begun in of_kind(result, ValidatorsChanged):
            if begun.entered:
                assert chamber.time_ms - scheduled[begun.after] >= DELAY_MS
        for _, waiting in chamber.state.scheduled_additions.ordered():
            assert waiting.due_ms == scheduled[waiting.after.hash] + DELAY_MS
