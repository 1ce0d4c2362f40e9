"""What validators said and what they did wrong stays with their keys when indices, powers and members change."""

from collections.abc import Mapping, Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.apply_block import apply_block
from clearing.base.validators import Validator
from clearing.context.block_context import BlockContext
from clearing.prices.index_prices import fresh_median
from clearing.schema.blocks.block import ProvenOffence, VoteExtension
from clearing.schema.blocks.receipt import Receipt
from clearing.schema.facts import ChainHeartbeat, DepositSeen, Fact
from clearing.schema.receipts.collateral import CustodyAgreed, DepositCredited
from clearing.schema.receipts.prices import PriceApplied
from clearing.schema.receipts.validators import MisbehaviourRecorded
from clearing.schema.records.validators import HeightTimesRecord
from clearing.schema.terms.genesis import MarketParameters
from clearing.validators.chain_attestations import agreed_final_block, chain_seen_ms, is_chain_live
from clearing.validators.evidence_age import EVIDENCE_HEIGHTS
from clearing.validators.misbehaviour import OFFENCE_HEIGHTS_MAX, is_reported
from clearing.validators.validator_sets import attesting_set
from tests.kit.clearing.chamber import FOUR, SEVEN, chamber_genesis, chamber_world, say, until_heard
from tests.kit.clearing.genesis import ALICE, BTC, DOLLAR, ETH, USDC_1
from tests.kit.clearing.signer import key_of, validator
from tests.kit.clearing.world import World, of_all, of_kind, reports

PATIENT = MarketParameters(move_cap_ppm=900_000, epoch_blocks=5, report_age_ms_max=600_000)


def patient(powers: Mapping[int, int]) -> World:
    """Reports stay fresh for ten minutes, so that what was said before a change counts after it."""
    return chamber_world(genesis=chamber_genesis(powers, PATIENT))


@pytest.fixture
def chamber() -> World:
    return patient(SEVEN)


def until_changed(chamber: World, left: Sequence[int] = (), entered: Sequence[Validator] = ()) -> None:
    """A change that everybody signed, and silent blocks until its validators are those that speak."""
    chamber.hear({}, chamber.signed(chamber.unsigned(left, entered)))
    until_heard(chamber)


def said_by(chamber: World) -> dict[tuple[int, int], tuple[int, int]]:
    """(feed, name) to (ticks, power) of all reports that are held."""
    names = [chamber.names[each.envelope_key] for each in attesting_set(chamber.state).validators]
    return {
        (feed, names[index]): (held.ticks, held.power) for (feed, index), held in chamber.state.price_reports.ordered()
    }


def test_reports_move_with_their_keys_and_those_of_who_left_are_gone(chamber: World) -> None:
    time_ms = chamber.state.now.time_ms + 1_000
    chamber.hear({name: VoteExtension(reports((BTC, 1_000 + name), time_ms=time_ms)) for name in SEVEN})
    assert said_by(chamber) == {(BTC, name): (1_000 + name, 10) for name in SEVEN}
    until_changed(chamber, [2, 5], [validator(9), validator(10), validator(1, 15)])
    # 9 and 10 have said nothing yet, 1 has more power, all indices moved.
    assert said_by(chamber) == {(BTC, name): (1_000 + name, 15 if name == 1 else 10) for name in (1, 3, 4, 6, 7)}
    indices = {name: index for name, index in chamber.speakers().items() if name in (1, 3, 4, 6, 7)}
    assert {index for _, index in dict(chamber.state.price_reports.ordered())} == set(indices.values())


@pytest.mark.parametrize(
    ("names", "found"),
    [
        pytest.param((1, 2, 3, 4, 5), (5, 50), id="all of the new five"),
        pytest.param((1, 2, 3, 6, 7), None, id="three of the new five are no quorum"),
    ],
)
def test_a_price_of_reports_before_the_change_has_a_quorum_of_the_new_power_or_none(
    chamber: World, names: tuple[int, ...], found: tuple[int, int] | None
) -> None:
    time_ms = chamber.state.now.time_ms + 1_000
    chamber.hear({name: VoteExtension(reports((BTC, 1_000), (ETH, 5), time_ms=time_ms)) for name in names})
    until_changed(chamber, [6, 7])
    median = fresh_median(BlockContext(chamber.state, chamber.blocks[-1]), BTC)
    assert (median and (median.reports, median.power)) == found


def test_a_change_does_not_stop_prices() -> None:
    chamber = chamber_world()
    chamber.block()
    chamber.change([1], [validator(5)])
    for turn in range(8):
        time_ms = chamber.state.now.time_ms + 1_000
        moved = VoteExtension(reports((BTC, 790_001 + turn), (ETH, 20_000), time_ms=time_ms))
        result = chamber.hear(dict.fromkeys(chamber.speakers(), moved))
        assert [each.ticks for each in of_kind(result, PriceApplied)] == [790_001 + turn]


def test_heartbeats_move_with_their_keys(chamber: World) -> None:
    for name in SEVEN:
        say(chamber, {name: (ChainHeartbeat(1, 100 + name, bytes(32)),)})
    before = agreed_final_block(chamber.state, 1)
    assert before == 103  # five of seven hold it final
    until_changed(chamber, [1, 2])
    assert agreed_final_block(chamber.state, 1) == 104  # four of the five that stayed
    beats = {index: beat.block_number for (_, index), beat in chamber.state.heartbeats.ordered()}
    assert beats == {index: 100 + name for name, index in chamber.speakers().items()}


def test_a_chain_is_live_by_the_power_of_who_is_there() -> None:
    genesis = chamber_genesis(SEVEN, PATIENT)
    chains = tuple(msgspec.structs.replace(each, heartbeat_ms_max=100_000) for each in genesis.chains)
    chamber = chamber_world(genesis=msgspec.structs.replace(genesis, chains=chains))
    say(chamber, {name: (ChainHeartbeat(1, 100, bytes(32)),) for name in (1, 2, 3, 4)})

    def live() -> bool:
        return is_chain_live(BlockContext(chamber.state, chamber.blocks[-1]), chains[0])

    assert not live()
    assert chain_seen_ms(chamber.state, 1, 70) == 0
    until_changed(chamber, [6, 7])
    assert live()  # four of five
    assert chain_seen_ms(chamber.state, 1, 50) > 0


def test_who_left_does_not_count_towards_a_deposit(chamber: World) -> None:
    fact = chamber.deposit_fact(ALICE, USDC_1, 5 * DOLLAR)
    say(chamber, dict.fromkeys((1, 2, 3, 4), (fact,)))
    until_changed(chamber, [1, 2], [validator(9), validator(10)])
    assert not of_kind(say(chamber, dict.fromkeys((5, 6), (fact,))), DepositCredited)  # four of seven
    assert of_kind(say(chamber, {9: (fact,)}), DepositCredited)


def test_a_deposit_that_only_lacked_who_left_is_credited_without_another_word(chamber: World) -> None:
    fact = chamber.deposit_fact(ALICE, USDC_1, 5 * DOLLAR)
    say(chamber, dict.fromkeys((1, 2, 3, 4), (fact,)))
    chamber.hear({}, chamber.signed(chamber.unsigned([6, 7])))
    assert chamber.cash(ALICE) == 0
    until_heard(chamber)
    assert chamber.cash(ALICE) == 5 * DOLLAR
    assert not list(chamber.state.fact_attestations.ordered())


def test_power_counts_as_it_is_now() -> None:
    chamber = patient(FOUR)
    fact = chamber.deposit_fact(ALICE, USDC_1, DOLLAR)
    say(chamber, dict.fromkeys((1, 2), (fact,)))
    until_changed(chamber, entered=[validator(1, 16), validator(2, 16)])
    assert chamber.cash(ALICE) == 0  # 32 of 52
    say(chamber, {3: (fact,)})
    assert chamber.cash(ALICE) == DOLLAR  # 42 of 52


def test_words_on_custody_move_and_can_agree(chamber: World) -> None:
    chamber.hear({name: VoteExtension(reports((BTC, 5), (ETH, 5), time_ms=1)) for name in SEVEN})
    facts = {name: chamber.custody_facts(4)[:1] + chamber.custody_facts(8)[:1] for name in (1, 2, 3, 4)}
    say(chamber, facts)
    assert not list(chamber.state.custody.ordered())
    assert len(chamber.state.custody_attestations[USDC_1].attestations) == 8
    chamber.hear({}, chamber.signed(chamber.unsigned([6, 7])))
    results = len(chamber.results)
    until_heard(chamber)
    assert [each.block_number for each in of_all(chamber.results[results:], CustodyAgreed)] == [4, 8]
    assert chamber.state.custody_attestations[USDC_1].attestations == ()


def test_conflicting_words_keep_their_owners(chamber: World) -> None:
    fact = chamber.deposit_fact(ALICE, USDC_1, DOLLAR)
    other = msgspec.structs.replace(fact, account=99)
    say(chamber, {1: (other,), 2: (fact,), 3: (fact,), 4: (fact,)})
    until_changed(chamber, [4], [validator(9)])
    (claim,) = [each for _, each in chamber.state.fact_attestations.ordered()]
    names = {index: name for name, index in chamber.speakers().items()}
    assert {names[each.validator]: each.fact.account for each in claim.attestations} == {1: 99, 2: ALICE, 3: ALICE}
    indices = [each.validator for each in claim.attestations]
    assert indices == sorted(indices)


def test_a_replica_restored_in_the_middle_of_a_change_has_the_same_roots(chamber: World) -> None:
    facts = {name: (chamber.deposit_fact(ALICE, USDC_1, DOLLAR),) for name in (1, 2, 3)}
    say(chamber, facts)
    chamber.hear({}, chamber.signed(chamber.unsigned([1], [validator(9)])))
    for _ in range(4):
        copy = chamber.read_back()
        result = say(chamber, {4: (ChainHeartbeat(1, chamber.state.now.height, bytes(32)),)})
        fork, _ = apply_block(copy, chamber.blocks[-1])
        assert fork.module_roots() == chamber.state.module_roots() == result.module_roots


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_words_are_those_of_a_model_by_key(data: st.DataObject) -> None:
    """Beats and claims after random words and changes, against a model that knows names and no indices."""
    chamber = patient(SEVEN)
    powers = dict(SEVEN)
    beats: dict[int, int] = {}
    words: dict[int, DepositSeen] = {}
    facts = [
        msgspec.structs.replace(chamber.deposit_fact(ALICE, USDC_1, DOLLAR), nonce=5, account=each)
        for each in (1, 2, 3)
    ]
    for number in range(1, data.draw(st.integers(2, 5))):
        said: dict[int, tuple[Fact, ...]] = {}
        for name in data.draw(st.sets(st.sampled_from(sorted(powers)), max_size=3)):
            block = data.draw(st.integers(1, 20))
            fact = data.draw(st.sampled_from(facts))
            said[name] = (ChainHeartbeat(1, block, bytes(32)), fact)
            beats[name], words[name] = max(beats.get(name, 0), block), fact
        say(chamber, said)
        if _agreed(words, powers):
            break
        gone = data.draw(st.sets(st.sampled_from(sorted(powers)), max_size=1))
        come = {10 + number: 5} if data.draw(st.booleans()) else {}
        grown = {name: powers[name] + 1 for name in data.draw(st.sets(st.sampled_from(sorted(powers)), max_size=2))}
        entered = [validator(*each) for each in (come | {n: p for n, p in grown.items() if n not in gone}).items()]
        if not gone and not entered:
            continue
        until_changed(chamber, sorted(gone), entered)
        chamber.block(facts=chamber.rotations())
        powers = {chamber.names[each.envelope_key]: each.power for each in attesting_set(chamber.state).validators}
        agreed = _agreed(words, powers)
        words = {} if agreed else {name: fact for name, fact in words.items() if name in powers}
        beats = {name: block for name, block in beats.items() if name in powers}
        if agreed:
            break
    names = {index: name for name, index in chamber.speakers().items()}
    assert {
        names[index]: (beat.block_number, beat.power) for (_, index), beat in chamber.state.heartbeats.ordered()
    } == {name: (block, powers[name]) for name, block in beats.items()}
    held = [each for key, each in chamber.state.fact_attestations.ordered() if key[3] == 5]
    attested = {names[each.validator]: (each.fact, each.power) for claim in held for each in claim.attestations}
    if not _agreed(words, powers):
        assert attested == {name: (fact, powers[name]) for name, fact in words.items()}


def _agreed(words: Mapping[int, DepositSeen], powers: Mapping[int, int]) -> bool:
    """Whether more than two thirds of the power say the same."""
    sums: dict[DepositSeen, int] = {}
    for name, fact in words.items():
        sums[fact] = sums.get(fact, 0) + powers.get(name, 0)
    return any(3 * power > 2 * sum(powers.values()) for power in sums.values())


def test_nobody_speaks_twice_by_leaving_and_coming_back() -> None:
    chamber = patient(FOUR)
    fact = chamber.deposit_fact(ALICE, USDC_1, DOLLAR)
    say(chamber, {1: (fact,)})
    for left, entered in (([1], []), ([], [validator(1)])):
        until_changed(chamber, left, entered)
        chamber.block(facts=chamber.rotations())
    assert key_of(1) in attesting_set(chamber.state).index_of
    say(chamber, {2: (fact,), 3: (fact,)})
    assert chamber.cash(ALICE) == 0  # its word of before is gone: two of four
    say(chamber, {1: (fact,)})
    assert chamber.cash(ALICE) == DOLLAR


def offence(height: int, name: int = 1, kind: int = 1, round_: int = 0) -> ProvenOffence:
    return ProvenOffence(key_of(name), kind, height, round_, 10)


def note(chamber: World, *offences: ProvenOffence) -> list[Receipt]:
    found: list[Receipt] = of_kind(chamber.hear({}, misbehaviour=offences), MisbehaviourRecorded)
    return found


def test_an_offence_is_on_record_with_a_receipt(chamber: World) -> None:
    result = note(chamber, offence(1, round_=3), offence(1, name=2, kind=4))
    assert [(each.envelope_key, each.kind, each.height, each.round, each.count) for each in result] == [
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
    assert is_reported(chamber.state, key_of(1), later, 1), "they are old in blocks, not in time"
    chamber.state.height_times.put(0, HeightTimesRecord(((EVIDENCE_HEIGHTS, chamber.state.now.time_ms),)))
    assert not is_reported(chamber.state, key_of(1), later, 1), "two are too old by now"
    note(chamber, offence(later))
    held = chamber.state.offences[(key_of(1), 1)]
    assert held.count == OFFENCE_HEIGHTS_MAX + 1
    assert held.heights == (*range(4, OFFENCE_HEIGHTS_MAX + 1), later)
