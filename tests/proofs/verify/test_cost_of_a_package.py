"""What a file costs its verifier is paid for in bytes: counted in operations, at the limits."""

import msgspec
import pytest

from proofs.algebra.group import GENERATOR, encode_point
from proofs.epoch.package import PACKAGE_BYTES_MAX, ProofBytes, read_package, write_package
from proofs.errors import ProofCode
from proofs.linear.messages import TAIL_BYTES, part_bytes
from proofs.verify.package_verifier import verify_package
from proofs.verify.standalone import verify_standalone
from tests.kit.proofs.cheated_package import signed_anew
from tests.kit.proofs.operations import HASHES, PAIRINGS, POINTS, operations

replace = msgspec.structs.replace
MANY = 3_000
ADDITIVE = 64
"""Points and pairings of a package beside those that its bytes and its validators pay for."""


def crowd(package: bytes, count: int):
    """Many accounts with commitments that are points, no two alike; a quorum will certify them."""
    good, point, commitments = read_package(package), GENERATOR, []
    for number in range(count):
        commitments.append((number, encode_point(point)))
        point += GENERATOR
    return replace(good, commitments=tuple(commitments))


def counted(data: bytes):
    verdicts = []
    found = operations(lambda: verdicts.append(verify_package(data)))
    return verdicts[0], found[POINTS], sum(found[name] for name in PAIRINGS), sum(found[name] for name in HASHES)


def of_the_certificate(package: bytes) -> tuple[int, ...]:
    """What a file costs with these validators that is refused right after its certificate, however large it is."""
    return counted(write_package(replace(read_package(package), proof=b"")))[1:]


def test_counting_sees_points_pairings_and_hashes(package):
    verdict, points, pairings, hashes = counted(package)
    assert verdict.ok
    assert points > 3
    assert pairings > 2
    assert hashes > 20


def test_a_list_of_accounts_without_their_proof_costs_no_point_and_no_hash(market, package):
    data = signed_anew(market, replace(crowd(package, MANY), proof=b""))
    verdict, points, pairings, hashes = counted(data)
    assert (verdict.failed, verdict.checks[-1].code) == ("sizes", ProofCode.BAD_LENGTH)
    assert (points, pairings, hashes) == of_the_certificate(package)


def test_a_standalone_proof_costs_hashes_of_its_packages_list_and_no_points(market, package):
    data = signed_anew(market, replace(crowd(package, MANY), proof=b""))
    found = operations(lambda: verify_standalone(b"ccs\x01" + bytes(496), data))
    assert found[POINTS] <= ADDITIVE
    assert sum(found[name] for name in HASHES) <= 8 * MANY


PARTS = {
    "a joint proof of one account less": lambda good: {"proof": good.proof[: -part_bytes(1)]},
    "a joint proof of a byte more": lambda good: {"proof": good.proof + b"\0"},
    "no joint proof": lambda _: {"proof": b""},
    "a joint proof of no column": lambda good: {"proof": good.proof[:TAIL_BYTES]},
    "a joint proof of too many columns": lambda good: {
        "proof": bytes(17 * part_bytes(1) * len(good.commitments) + TAIL_BYTES)
    },
    "a book opening of a scalar more": lambda good: {"book": good.book + bytes(32)},
    "an empty book opening": lambda _: {"book": b""},
    "a house's proof of a byte": lambda _: {"house": b"\0"},
    "a house's proof of two accounts": lambda good: {"house": good.house + bytes(17 * part_bytes(1))},
    "a long cover proof": lambda _: {"cover": bytes(1 << 16)},
}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_does_not_have_the_length_of_its_counts_is_refused_before_a_point_is_decoded(package, part):
    good = read_package(package)
    verdict, points, pairings, hashes = counted(write_package(replace(good, **PARTS[part](good))))
    assert (verdict.failed, verdict.checks[-1].code) == ("sizes", ProofCode.BAD_LENGTH)
    assert (points, pairings, hashes) == of_the_certificate(package)


@pytest.mark.parametrize("count", [4, 4_000])
def test_more_shortfalls_than_accounts_are_refused_before_a_point_is_decoded(market, package, count):
    good = read_package(package)
    listed = replace(good.statement, shortfalls=tuple((number, 1) for number in range(count)))
    verdict, *operations_made = counted(signed_anew(market, replace(good, statement=listed)))
    assert (verdict.failed, tuple(operations_made)) == ("sizes", of_the_certificate(package))


def test_another_number_of_columns_than_the_statement_has_is_refused_before_a_point_of_the_proof_is_decoded(
    market, package
):
    """The size alone may be that of a proof in two columns; the statement says one."""
    bloated = crowd(package, MANY)
    data = signed_anew(market, replace(bloated, proof=bytes(2 * part_bytes(1) * MANY + TAIL_BYTES)))
    verdict, points, _, _ = counted(data)
    assert (verdict.failed, verdict.checks[-1].code) == ("ranges_and_rows", ProofCode.BAD_LENGTH)
    assert points <= ADDITIVE


def test_at_the_limit_points_pairings_and_hashes_are_bounded_by_the_bytes(market, package):
    """The dearest file: everything in it decodes, and only the last equation shows that it is none."""
    bloated = crowd(package, MANY)
    a_point = bloated.commitments[0][1]
    share = a_point + a_point + bytes(32)
    tail = a_point * 4 + bytes(32) + a_point * 2
    data = signed_anew(market, replace(bloated, proof=share * MANY + tail))
    verdict, points, pairings, hashes = counted(data)
    assert (verdict.failed, verdict.checks[-1].code) == ("ranges_and_rows", ProofCode.PROOF_REFUSED)
    validators = len(bloated.validators.validators)
    assert points >= 3 * MANY
    assert points <= len(data) // 48 + ADDITIVE
    assert pairings <= 2 * validators + ADDITIVE
    assert hashes <= len(data) // 12 + 10_000


def test_no_file_is_larger_than_the_bound_is_stated_for(package):
    assert verify_package(bytes(PACKAGE_BYTES_MAX + 1)).failed == "encoding"
    assert ProofBytes.__metadata__[0].max_length == 32 << 20
