"""Anybody who trusts a genesis follows what was voted since, and believes no other story."""

import msgspec
import pytest

from clearing.base.errors import BaseCode, LocalFault, RemoteFault
from clearing.epochs.snapshot import take_snapshot
from clearing.genesis.effective_terms import next_head
from clearing.governance.certified_amendments import (
    CertifiedAmendments,
    certify_amendments,
    check_amendments,
    read_amendments,
    write_amendments,
)
from clearing.schema.codes import ClearingCode
from clearing.schema.risk.price_ranges import RangeParameters
from proofs.errors import ProofCode, VerificationFailed
from proofs.statement.rulebook_checks import check_rulebook
from tests.kit.clearing.amended import amended, certified, header_of, signed
from tests.kit.clearing.chamber import governed_genesis, parliament_world
from tests.kit.clearing.world import World

replace = msgspec.structs.replace


HOUSE = amended()
FILE = certified(HOUSE)
TRUSTED = FILE.validators.hash


def refused(file: CertifiedAmendments, height: int | None = None, trusted: bytes = TRUSTED) -> int:
    with pytest.raises(RemoteFault) as caught:
        check_amendments(file, HOUSE.genesis, trusted, HOUSE.state.now.height if height is None else height)
    return int(caught.value.code)


def test_the_terms_of_every_height_follow_from_genesis_and_the_file() -> None:
    file = read_amendments(write_amendments(FILE))
    assert file == FILE
    genesis, applied = check_amendments(file, HOUSE.genesis, TRUSTED, HOUSE.state.now.height)
    assert (genesis, applied) == (HOUSE.state.terms.genesis, 3)
    heights = [each.height for each in file.amendments]
    for height, count in ((0, 0), (heights[0] - 1, 0), (heights[0], 1), (heights[1], 2), (heights[2] - 1, 2)):
        assert check_amendments(file, HOUSE.genesis, TRUSTED, height)[1] == count


def test_a_statement_under_amended_terms_is_the_amended_genesis_and_not_the_first() -> None:
    statement = take_snapshot(HOUSE.state).statement
    genesis, _ = check_amendments(FILE, HOUSE.genesis, TRUSTED, statement.height)
    assert "under the genesis' parameters" in check_rulebook(statement, genesis, network=HOUSE.network)
    for other in (HOUSE.genesis, check_amendments(FILE, HOUSE.genesis, TRUSTED, FILE.amendments[1].height)[0]):
        with pytest.raises(VerificationFailed) as caught:
            check_rulebook(statement, other, network=HOUSE.network)
        assert caught.value.code is ProofCode.RULES_DIFFER


def test_no_amendment_can_be_left_out_added_changed_or_moved() -> None:
    first, second, third = FILE.amendments
    later = replace(first, height=first.height + 1)
    forged = replace(third, amendment=first.amendment)
    chained = next_head(second.chain_head, forged.height, forged.time_ms, forged.proposal, forged.amendment)
    forged = replace(forged, chain_head=chained)
    # Nor may another proposal be said to have been agreed on.
    other = replace(third, proposal=bytes(32))
    left_out_or_moved = ((), (first, second), (second, third), (first, third, second), (*FILE.amendments, third))
    for amendments in (*left_out_or_moved, (later, second, third), (first, second, forged), (first, second, other)):
        assert refused(replace(FILE, amendments=amendments)) == ClearingCode.BAD_SNAPSHOT


def test_the_record_is_the_states_and_no_other() -> None:
    fewer = replace(FILE.clock, amendments=2, chain_head=FILE.amendments[1].chain_head)
    cut = replace(FILE, clock=fewer, amendments=FILE.amendments[:2])
    assert refused(cut) == BaseCode.BAD_MERKLE_PROOF
    for name, value in (
        ("salt", bytes(32)),
        ("path", (bytes(32), *FILE.path[1:])),
        ("path", FILE.path[:-1]),
        ("path", ()),
        ("below", (*FILE.below, bytes(32))),
        ("above", (bytes(32), *FILE.above)),
    ):
        assert refused(replace(FILE, **{name: value})) == BaseCode.BAD_MERKLE_PROOF


def test_the_header_is_certified_by_the_trusted_set_of_this_network_and_not_too_old() -> None:
    assert refused(FILE, trusted=bytes(32)) == BaseCode.WRONG_VALIDATOR_SET
    assert refused(FILE, height=FILE.header.height + 1) == ClearingCode.BAD_SNAPSHOT
    assert refused(replace(FILE, header=replace(FILE.header, epoch=99))) == BaseCode.WRONG_VALUE
    bent = replace(FILE.certificate, aggregate=FILE.certificate.aggregate[:-1] + b"\0")
    assert refused(replace(FILE, certificate=bent)) in (BaseCode.BAD_SIGNATURE, BaseCode.BAD_POINT)
    elsewhere = replace(HOUSE.genesis, name="elsewhere")
    with pytest.raises(RemoteFault) as caught:
        check_amendments(FILE, elsewhere, TRUSTED, 1)
    assert caught.value.code == BaseCode.WRONG_NETWORK


def test_a_file_of_another_format_is_not_read() -> None:
    for data in (write_amendments(replace(FILE, format=2)), b"\x00"):
        with pytest.raises(RemoteFault):
            read_amendments(data)


def test_without_a_proposal_there_is_nothing_to_certify(house: World) -> None:
    header = header_of(house)
    for state in (house.state, HOUSE.state):
        with pytest.raises(LocalFault):
            certify_amendments(state, header, *signed(house, header))


def test_ranges_that_were_published_are_held_to_the_bounds_of_the_new_terms() -> None:
    ranges = RangeParameters(interval_ms=1_000, window=20, window_min=5, horizon_ms=2_000, volatility_weight_ppm=0)
    house = parliament_world(replace(governed_genesis(), ranges=ranges))
    house.wait(20)
    assert 1 in house.state.price_ranges
    house.amend(
        ("risk.groups.1.volatility_ppm", 900_000),
        ("risk.groups.1.volatility_range_ppm", 400_000),
        ("ranges.range_min_ppm", 300_000),
    )
    house.block(facts=house.custody_facts(400))
    statement = take_snapshot(house.state).statement
    file = certified(house)
    genesis, _ = check_amendments(file, house.genesis, file.validators.hash, statement.height)
    assert "under the genesis' parameters" in check_rulebook(statement, genesis, network=house.network)
    assert house.state.price_ranges[1].range_ppm >= 300_000
