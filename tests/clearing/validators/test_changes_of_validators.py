"""Who may change the validator set, by how much, how often, when it takes effect, and how every vault follows it."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.base.codec import encode
from clearing.base.errors import Rejected
from clearing.base.validators import VALIDATORS_MAX, ValidatorSet
from clearing.context.block_context import BlockContext
from clearing.deposits.bridge_facts import is_attestable
from clearing.schema.blocks.transaction import transaction_bytes_max
from clearing.schema.codes import ClearingCode
from clearing.schema.facts import ROTATED, ValidatorsRotated, fact_key
from clearing.schema.receipts.validators import ValidatorChangeFinished, ValidatorsChanged, VaultDiverged, VaultRotated
from clearing.schema.records.validators import HeightTimesRecord
from clearing.schema.requests.validators import Approval, ValidatorChange
from clearing.validators.evidence_age import EVIDENCE_HEIGHTS
from clearing.validators.set_changes import changed_set, moved_power, plan_change
from clearing.validators.set_transition import rotation_is_over
from clearing.validators.validator_sets import SETS_KEPT, validator_sets, validators_at
from tests.kit.clearing.chamber import FOUR, chamber_genesis, chamber_world
from tests.kit.clearing.genesis import VAULTS
from tests.kit.clearing.signer import key_of, set_with, validator
from tests.kit.clearing.validators import SOURCE
from tests.kit.clearing.world import World, of_kind
from tests.kit.validator_records import unproven_validator


def code_of(chamber: World, change: ValidatorChange) -> int:
    """What the next block says of a request; 0 when it is taken."""
    refused = chamber.refusals(change)
    return refused[0] if refused else 0


def another(chamber: World) -> ValidatorChange:
    """A newcomer with little power, signed by all."""
    return chamber.signed(chamber.unsigned(entered=[validator(5, 1)]))


def test_a_change_is_the_set_of_two_heights_on_and_of_none_before(chamber: World) -> None:
    old, new = set_with(FOUR), set_with({**dict.fromkeys(range(2, 6), 10)})
    chamber.block()
    (receipt,) = of_kind(chamber.change([1], [validator(5)]), ValidatorsChanged)
    height = chamber.state.now.height
    assert (receipt.effective_height, receipt.number, receipt.after) == (height + 2, 1, new.hash)
    assert (receipt.left, receipt.entered) == ((key_of(1),), (key_of(5),))
    assert (receipt.total_power, receipt.approved_power) == (40, 40)
    seen = [validator_sets(chamber.state)]
    for _ in range(3):
        chamber.block()
        seen.append(validator_sets(chamber.state))
    assert [(each.attesting, each.last, each.now, each.next) for each in seen] == [
        (old, old, old, new),
        (old, old, new, new),
        (old, new, new, new),
        (new, new, new, new),
    ]
    assert validators_at(chamber.state, height + 1) == old
    assert validators_at(chamber.state, height + 2) == new


@pytest.mark.parametrize(
    ("powers", "names", "taken"),
    [
        (FOUR, (1, 2, 3), True),
        (FOUR, (1, 2), False),
        ({1: 10, 2: 10, 3: 10}, (1, 2), False),  # exactly two thirds are too few
        ({1: 20, 2: 20, 3: 10, 4: 9}, (1, 2), True),
        ({1: 20, 2: 20, 3: 10, 4: 10}, (1, 2), False),
    ],
)
def test_more_than_two_thirds_of_the_power_must_sign(
    powers: dict[int, int], names: tuple[int, ...], taken: bool
) -> None:
    chamber = chamber_world(powers)
    change = chamber.signed(chamber.unsigned(entered=[validator(9, 3)]), names)
    assert code_of(chamber, change) == (0 if taken else ClearingCode.TOO_FEW_APPROVALS)


def test_an_approval_is_of_this_change_by_this_validator_on_this_network() -> None:
    chamber, other = chamber_world(), chamber_world({**FOUR, 7: 1})
    good = chamber.signed(chamber.unsigned(left=[4]))
    approvals = good.approvals
    later = msgspec.structs.replace(good, not_after_ms=good.not_after_ms + 1)
    wrong = {
        "another change's": later,
        "none": msgspec.structs.replace(good, approvals=(*approvals[:3], Approval(3, bytes(64)))),
        "another's": msgspec.structs.replace(
            good, approvals=(approvals[0], Approval(1, approvals[2].signature), *approvals[2:])
        ),
        "twice": msgspec.structs.replace(good, approvals=(approvals[0], *approvals)),
        "out of order": msgspec.structs.replace(good, approvals=tuple(reversed(approvals))),
        "of nobody": msgspec.structs.replace(good, approvals=(*approvals, Approval(4, bytes(64)))),
        "another network's": msgspec.structs.replace(good, approvals=other.signed(good).approvals[:4]),
    }
    for why, change in wrong.items():
        assert code_of(chamber, change) == ClearingCode.BAD_APPROVAL, why
    assert code_of(chamber, good) == 0


def test_a_change_is_good_once_and_from_the_set_in_force_only(chamber: World) -> None:
    change = chamber.signed(chamber.unsigned(left=[4]))
    ahead = chamber.signed(chamber.unsigned(left=[4], number=2))
    elsewhere = chamber.signed(chamber.unsigned(left=[4], before=bytes(32)))
    for wrong in (ahead, elsewhere):
        assert code_of(chamber, wrong) == ClearingCode.WRONG_VALIDATOR_SET
    assert code_of(chamber, change) == 0
    assert code_of(chamber, change) == ClearingCode.WRONG_VALIDATOR_SET
    chamber.settle()
    assert code_of(chamber, change) == ClearingCode.WRONG_VALIDATOR_SET


def test_one_change_is_under_way_until_every_vault_has_rotated(chamber: World) -> None:
    chamber.change(left=[4])
    for facts in ((), (), chamber.rotations((1,)), (), ()):
        assert code_of(chamber, another(chamber)) == ClearingCode.VALIDATOR_CHANGE_UNDER_WAY
        chamber.block(facts=facts)
    (finished,) = of_kind(chamber.block(facts=chamber.rotations((2,))), ValidatorChangeFinished)
    assert finished.number == 1
    assert code_of(chamber, another(chamber)) == 0


def test_until_its_validators_speak_a_change_is_under_way_though_no_vault_is_waited_for() -> None:
    chamber = chamber_world(genesis=chamber_genesis(FOUR, chains=False))
    chamber.change(left=[4])
    for _ in range(2):
        assert not chamber.state.set_changes[0].awaited_vaults
        assert code_of(chamber, another(chamber)) == ClearingCode.VALIDATOR_CHANGE_UNDER_WAY
    assert code_of(chamber, another(chamber)) == 0


def test_nobody_goes_and_comes_in_one_change() -> None:
    present = set_with(FOUR)
    weaker = msgspec.structs.replace(present.validators[0], power=9)
    refused = changed_set(present, (weaker.envelope_key,), (weaker,))
    assert isinstance(refused, Rejected)
    assert (refused.code, refused.at) == (ClearingCode.BAD_VALIDATOR_CHANGE, "validator_change.order")
    assert isinstance(changed_set(present, (), (weaker,)), ValidatorSet)


def test_without_vaults_a_change_is_over_when_its_validators_speak() -> None:
    chamber = chamber_world(genesis=chamber_genesis(FOUR, chains=False))
    chamber.change(left=[4])
    assert [len(of_kind(chamber.block(), ValidatorChangeFinished)) for _ in range(4)] == [0, 0, 1, 0]


@pytest.mark.parametrize(
    ("powers", "left", "entered", "taken"),
    [
        ({1: 10, 2: 10, 3: 10}, (1,), {}, True),  # exactly a third goes
        ({1: 11, 2: 10, 3: 10}, (1,), {}, False),
        ({1: 10, 2: 10}, (), {3: 10}, True),  # exactly a third of the new power comes
        ({1: 10, 2: 10}, (), {3: 11}, False),
        ({1: 10, 2: 10, 3: 10}, (), {1: 1}, True),  # who stays counts with the difference
        ({1: 30, 2: 10, 3: 10}, (), {1: 13}, False),
        ({1: 30, 2: 10, 3: 10}, (), {1: 14}, True),
        ({1: 10, 2: 10, 3: 10}, (1,), {4: 10}, True),
        ({1: 10, 2: 10, 3: 10, 4: 10}, (1, 2), {}, False),
        ({1: 10, 2: 10, 3: 10, 4: 10}, (1,), {5: 10, 6: 10}, False),
        ({1: 10, 2: 10, 3: 10}, (), {1: 40, 2: 40, 3: 40}, False),  # scaling everybody is a change, too
    ],
)
def test_at_most_a_third_of_the_power_goes_and_a_third_of_the_new_comes(
    powers: dict[int, int], left: tuple[int, ...], entered: dict[int, int], taken: bool
) -> None:
    chamber = chamber_world(powers)
    change = chamber.signed(chamber.unsigned(left, [validator(*each) for each in entered.items()]))
    assert code_of(chamber, change) == (0 if taken else ClearingCode.TOO_MUCH_POWER_MOVES)


def test_another_bls_key_counts_as_all_of_the_power() -> None:
    before = set_with(FOUR)
    rekeyed = msgspec.structs.replace(before.validators[0], bls_key=validator(9).bls_key)
    assert moved_power(before, ValidatorSet((rekeyed, *before.validators[1:]))) == (10, 10)
    chamber = chamber_world({1: 20, 2: 10, 3: 10})
    strong, weak = (chamber.signed(chamber.unsigned(entered=[validator(*each, 9)])) for each in ((1, 20), (2, 10)))
    assert code_of(chamber, strong) == ClearingCode.TOO_MUCH_POWER_MOVES
    assert code_of(chamber, weak) == 0


def test_who_comes_shows_that_it_knows_its_bls_key(chamber: World) -> None:
    newcomer, other = validator(5), validator(6)
    bad = {
        "none": msgspec.structs.replace(newcomer, possession=bytes(96)),
        "another's": msgspec.structs.replace(newcomer, possession=other.possession),
        "no point": msgspec.structs.replace(newcomer, bls_key=b"\x01" * 48),
    }
    for why, each in bad.items():
        # Its hash cannot even be told where the key is no point.
        change = chamber.signed(chamber.unsigned(entered=[newcomer]))
        forged = chamber.signed(msgspec.structs.replace(change, entered=(each,), approvals=()))
        assert code_of(chamber, forged) == ClearingCode.BAD_POSSESSION, why


def test_a_change_says_what_it_makes_and_makes_something(chamber: World) -> None:
    two, stranger = sorted((key_of(1), key_of(2))), key_of(9)
    five, six = sorted((validator(5, 1), validator(6, 1)), key=lambda each: each.envelope_key)
    present = next(each for each in validator_sets(chamber.state).next.validators if each.envelope_key == key_of(3))
    wrong = (
        {"after": bytes(32)},
        {"left": ()},
        {"left": (stranger,)},
        {"left": tuple(reversed(two))},
        {"left": (two[0], two[0])},
        {"left": (), "entered": (six, five)},
        {"left": (), "entered": (five, five)},
        {"left": (), "entered": (present,)},
        {"left": (key_of(3),), "entered": (msgspec.structs.replace(present, power=5),)},
        {"left": (), "entered": (msgspec.structs.replace(five, power=0),)},
        {"left": (), "entered": (msgspec.structs.replace(five, bls_key=present.bls_key),)},
        {"left": (), "entered": (msgspec.structs.replace(five, power=2**62),)},
        {"left": tuple(sorted(key_of(name) for name in FOUR))},
    )
    for changes in wrong:
        change = chamber.signed(msgspec.structs.replace(chamber.unsigned(left=[1]), **changes))
        assert code_of(chamber, change) == ClearingCode.BAD_VALIDATOR_CHANGE, changes


def test_a_change_may_wait_for_its_signers_as_long_as_it_says(chamber: World) -> None:
    plain = chamber.unsigned(left=[1])
    late = chamber.signed(msgspec.structs.replace(plain, not_after_ms=chamber.state.now.time_ms + 999))
    assert code_of(chamber, late) == ClearingCode.REQUEST_EXPIRED
    months = chamber.signed(msgspec.structs.replace(plain, not_after_ms=2**62))
    assert code_of(chamber, months) == 0


def test_what_is_refused_changes_nothing(chamber: World) -> None:
    chamber.block()
    tables = chamber.state.validator_sets, chamber.state.set_numbers, chamber.state.set_changes
    before = [list(each.ordered()) for each in tables]
    assert len(chamber.refusals(chamber.signed(chamber.unsigned(left=[1, 2])))) == 1
    tables = chamber.state.validator_sets, chamber.state.set_numbers, chamber.state.set_changes
    assert [list(each.ordered()) for each in tables] == before


def test_the_longest_change_fits_its_limit() -> None:
    names = [validator(name % 40 + 1) for name in range(64)]
    entered = tuple(msgspec.structs.replace(each, power=2**62) for each in names)
    approvals = tuple(Approval(each, bytes(64)) for each in range(VALIDATORS_MAX))
    longest = ValidatorChange(2**62, bytes(32), bytes(32), (bytes(32),) * 64, entered, 2**62, approvals)
    assert transaction_bytes_max(longest) - 2048 < len(encode((longest,))) <= transaction_bytes_max(longest)


POWERS = st.dictionaries(st.integers(1, 12), st.integers(1, 20), min_size=1, max_size=8)


@settings(max_examples=200, deadline=None)
@given(POWERS, st.sets(st.integers(1, 12)), POWERS)
def test_whatever_is_planned_two_thirds_of_either_power_stay(
    powers: dict[int, int], left: set[int], entered: dict[int, int]
) -> None:
    chamber = chamber_world(powers)
    planned = plan_change(
        chamber.state,
        tuple(sorted(key_of(name) for name in left)),
        tuple(sorted((validator(*each) for each in entered.items()), key=lambda each: each.envelope_key)),
    )
    before = validator_sets(chamber.state).next
    if isinstance(planned, Rejected):
        return
    kept = {each.envelope_key for each in before.validators} & {each.envelope_key for each in planned.validators}
    for one, other in ((before, planned), (planned, before)):
        shared = sum(
            min(each.power, other.validators[other.index_of[each.envelope_key]].power)
            for each in one.validators
            if each.envelope_key in kept
        )
        assert 3 * shared >= 2 * one.total_power
    keys = [each.envelope_key for each in planned.validators]
    assert keys == sorted(keys)


def test_many_changes_leave_a_bounded_state_that_answers_for_the_kept_heights() -> None:
    chamber = chamber_world(genesis=chamber_genesis(FOUR, chains=False))
    chamber.check = False
    made: list[tuple[int, ValidatorSet]] = [(1, set_with(FOUR))]
    for turn in range(SETS_KEPT + 6):
        power = 11 if turn % 2 == 0 else 10
        assert code_of(chamber, chamber.signed(chamber.unsigned(entered=[validator(4, power)]))) == 0
        made.append((chamber.state.now.height + 2, validator_sets(chamber.state).next))
        while 0 in chamber.state.set_changes:
            chamber.hear({})
    assert len(list(chamber.state.validator_sets.ordered())) == SETS_KEPT
    kept = made[-SETS_KEPT:]
    for (since, validators), (until, _) in zip(kept, [*kept[1:], (chamber.state.now.height + 3, None)], strict=True):
        assert validators_at(chamber.state, since) == validators_at(chamber.state, until - 1) == validators
    assert validators_at(chamber.state, kept[0][0] - 1) is None
    assert validators_at(chamber.state, chamber.state.now.height + 3) is None
    chamber.read_back()


def test_heights_too_far_below_are_not_answered_for(chamber: World) -> None:
    chamber.state.clock.put(0, msgspec.structs.replace(chamber.state.now, height=EVIDENCE_HEIGHTS + 50))
    assert validators_at(chamber.state, 1) == set_with(FOUR), "genesis is not older than trust"
    chamber.state.height_times.put(0, HeightTimesRecord(((EVIDENCE_HEIGHTS, chamber.state.now.time_ms),)))
    assert validators_at(chamber.state, 49) is None
    assert validators_at(chamber.state, 50) == set_with(FOUR)
    assert validators_at(chamber.state, 0) is None


def test_the_limit_on_the_number_of_validators_holds_for_changes(chamber: World) -> None:
    many = ValidatorSet(
        tuple(unproven_validator(bytes([0, each]) + bytes(30), bytes([each]) * 48, 100) for each in range(127))
    )
    held = chamber.state.validator_sets[0]
    chamber.state.validator_sets.put(0, msgspec.structs.replace(held, validators=many))
    one_more = plan_change(chamber.state, (), (validator(1, 1),))
    assert isinstance(one_more, Rejected)
    assert one_more.code is ClearingCode.BAD_VALIDATOR_CHANGE


def changing() -> World:
    """One block after a change."""
    chamber = chamber_world()
    chamber.block()
    chamber.change([4], [validator(5)])
    chamber.block()
    return chamber


def test_a_quorum_that_sees_it_lets_a_vault_count_once() -> None:
    chamber = changing()
    one, two = chamber.rotations()
    assert not of_kind(chamber.block(facts=[one], names=(1, 2)), VaultRotated)
    (rotated,) = of_kind(chamber.block(facts=[one], names=(3,)), VaultRotated)
    assert rotated == VaultRotated(1, VAULTS[1], 1, 50, SOURCE, 1)
    assert not of_kind(chamber.block(facts=[one]), VaultRotated)
    assert not list(chamber.state.fact_attestations.ordered())
    assert len(of_kind(chamber.block(facts=[two]), VaultRotated)) == 1


def test_a_rotation_can_be_seen_before_the_new_set_speaks_and_waits_for_it(chamber: World) -> None:
    chamber.change([4], [validator(5)])
    results = [chamber.block(facts=chamber.rotations())]
    assert len(of_kind(results[0], VaultRotated)) == 2
    results += [chamber.block() for _ in range(3)]
    assert [len(of_kind(each, ValidatorChangeFinished)) for each in results] == [0, 0, 1, 0]


@pytest.mark.parametrize(
    "changes",
    [{"height": 2}, {"height": 4}, {"vault": b"\x99" * 20}, {"chain_id": 7}, {"chain_id": 2}],
    ids=lambda each: "".join(each),
)
def test_an_event_that_nobody_waits_for_leaves_nothing_behind(changes: dict[str, object]) -> None:
    chamber = changing()
    fact = msgspec.structs.replace(chamber.rotations()[0], **changes)
    chamber.block(facts=[fact])
    assert len(chamber.state.set_changes[0].awaited_vaults) == 2
    assert not list(chamber.state.fact_attestations.ordered())


def test_without_a_change_no_rotation_is_heard(chamber: World) -> None:
    chamber.block()
    fact = ValidatorsRotated(1, VAULTS[1], 1, bytes(32), 5, bytes(32), bytes(32))
    assert not of_kind(chamber.block(facts=[fact]), VaultDiverged)
    assert not is_attestable(BlockContext(chamber.state, chamber.blocks[-1]), fact)


def test_a_vault_that_follows_another_set_is_told_once_and_waited_for() -> None:
    chamber = changing()
    lost = chamber.rotations((1,), validators_hash=b"\x66" * 32)
    (diverged,) = of_kind(chamber.block(facts=lost), VaultDiverged)
    assert (diverged.chain_id, diverged.validators_hash) == (1, b"\x66" * 32)
    for _ in range(3):
        assert not of_kind(chamber.block(facts=lost), VaultDiverged)
        assert not of_kind(chamber.block(facts=chamber.rotations()), ValidatorChangeFinished)
    assert chamber.state.set_changes[0].awaited_vaults == ((1, VAULTS[1]),)


def test_who_says_otherwise_does_not_count_with_the_quorum() -> None:
    chamber = changing()
    good, lie = chamber.rotations((1,)), chamber.rotations((1,), validators_hash=b"\x66" * 32)
    chamber.block(facts=lie, names=(1, 2))
    assert not of_kind(chamber.block(facts=good, names=(3,)), VaultRotated)
    assert len(of_kind(chamber.block(facts=good, names=(1, 2)), VaultRotated)) == 1


def test_an_event_is_forgotten_when_it_was_heard_and_kept_while_the_state_is_behind() -> None:
    chamber = changing()
    one, two = chamber.rotations()
    assert not rotation_is_over(chamber.state, one)
    chamber.block(facts=[one])
    assert rotation_is_over(chamber.state, one)
    assert not rotation_is_over(chamber.state, two)
    ahead = msgspec.structs.replace(two, height=chamber.state.now.height + 2)
    assert not rotation_is_over(chamber.state, ahead)
    assert rotation_is_over(chamber.state, msgspec.structs.replace(two, height=1))


def test_a_rotation_is_one_event_per_vault_and_header() -> None:
    fact = ValidatorsRotated(1, VAULTS[1], 7, bytes(32), 5, bytes(32), bytes(32))
    assert fact_key(fact) == (ROTATED, 1, VAULTS[1], 7)
