"""Frozen vectors: packages and transcripts made once must verify, byte for byte, with every later version.

A vector is written once for a format version and never again (`tests/vectors/proofs/README.md`).
"""

import hashlib
import json

import pytest

from proofs.algebra.field import ORDER
from proofs.algebra.group import encode_point
from proofs.algebra.srs import basis
from proofs.algebra.transcript import Transcript
from proofs.epoch.package import read_package, write_package
from proofs.verify.package_verifier import verify_package
from proofs.verify.standalone import verify_standalone
from tests.kit.proofs.write_vectors import VECTORS, vectors

FORMATS = ("v1", "v2", "v2b")
PACKAGES = ("three-accounts.ccp", "every-part.ccp", "every-rule.ccp")


def frozen(name, version=VECTORS.name):
    return (VECTORS.parent / version / name).read_bytes()


@pytest.mark.parametrize("version", FORMATS)
def test_the_frozen_files_are_the_ones_that_were_frozen(version):
    folder = VECTORS.parent / version
    sums = dict(reversed(line.split("  ")) for line in (folder / "SHA256SUMS").read_text().splitlines())
    found = {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in folder.iterdir()}
    del found["SHA256SUMS"]
    assert found == sums


@pytest.fixture(scope="module")
def written():
    return vectors()


@pytest.mark.parametrize("name", [*PACKAGES, "account-1.ccs"])
def test_the_prover_still_writes_each_frozen_file(written, name):
    assert written[name] == frozen(name)


@pytest.mark.parametrize("version", FORMATS)
@pytest.mark.parametrize("name", PACKAGES)
def test_each_frozen_package_verifies(name, version):
    """Rows are computed again from parameters and prices: a later rulebook must keep this one."""
    verdict = verify_package(frozen(name, version))
    assert verdict.ok, verdict.checks[-1]


@pytest.mark.parametrize("version", FORMATS)
def test_the_frozen_proof_of_one_account_verifies(version):
    verdict = verify_standalone(frozen("account-1.ccs", version), frozen("three-accounts.ccp", version))
    assert verdict.ok, verdict.checks[-1]


@pytest.mark.parametrize("version", FORMATS)
@pytest.mark.parametrize("name", PACKAGES)
def test_a_frozen_package_that_is_read_is_written_again_as_it_was(name, version):
    assert write_package(read_package(frozen(name, version))) == frozen(name, version)


def test_a_package_of_one_format_is_refused_under_the_name_of_the_other():
    """Else a validator without an address could pass for one with it."""
    first, second = frozen("three-accounts.ccp", "v1"), frozen("three-accounts.ccp", "v2")
    for data, own, other in ((first, b"package/1", b"package/2"), (second, b"package/2", b"package/1")):
        assert data.count(own) == 1
        assert verify_package(data.replace(own, other)).failed == "encoding"


def test_the_frozen_package_with_every_part_has_them_and_says_so():
    package = read_package(frozen("every-part.ccp"))
    assert package.cover
    assert len(package.custody) == 2
    assert "2 of which the chains' states prove" in verify_package(frozen("every-part.ccp")).claim


def test_the_frozen_package_under_every_rule_has_slots_of_each():
    names = {slot.name.split(":")[0] for slot in read_package(frozen("every-rule.ccp")).statement.slots}
    assert names >= {"max", "short", "charge", "concentration", "tail", "beyond", "joint", "groups", "uncovered"}


def test_transcript_and_basis_are_the_frozen_ones():
    primitives = json.loads(frozen("primitives.json", "v1"))
    transcript = Transcript("crossclear/vector/v1")
    transcript.append_bytes("bytes", b"abc")
    transcript.append_integer("integer", 2**255)
    transcript.append_scalar("scalar", ORDER - 1)
    assert f"{transcript.challenge('challenge'):064x}" == primitives["challenge"]
    assert f"{transcript.fork('fork').challenge('challenge'):064x}" == primitives["fork"]
    assert encode_point(basis(2048).lagrange[1]).hex() == primitives["lagrange_1"]
    assert encode_point(basis(2048).hiding[1]).hex() == primitives["hiding_1"]
