"""Frozen vectors: packages and transcripts made once must verify, byte for byte, with every later version.

A vector is written once for a format version and never again (`tests/vectors/proofs/README.md`).
"""

import hashlib
import json

from proofs.algebra.field import ORDER
from proofs.algebra.group import encode_point
from proofs.algebra.srs import basis
from proofs.algebra.transcript import Transcript
from proofs.epoch.package import read_package
from proofs.verify.package_verifier import verify_package
from proofs.verify.standalone import verify_standalone
from proofs.verify.standalone_prover import prove_account
from proofs.verify.verdict import OwnAccount
from tests.kit.proofs.frozen import VECTORS, counted_scalars


def test_the_frozen_files_are_the_ones_that_were_frozen():
    sums = dict(reversed(line.split("  ")) for line in (VECTORS / "SHA256SUMS").read_text().splitlines())
    found = {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in VECTORS.iterdir()}
    del found["SHA256SUMS"]
    assert found == sums


def test_the_frozen_package_verifies():
    verdict = verify_package((VECTORS / "three-accounts.ccp").read_bytes())
    assert verdict.ok, verdict.checks[-1]


def test_the_frozen_package_with_every_part_verifies_and_says_so():
    package = read_package((VECTORS / "every-part.ccp").read_bytes())
    assert package.cover
    assert len(package.custody) == 2
    verdict = verify_package((VECTORS / "every-part.ccp").read_bytes())
    assert verdict.ok, verdict.checks[-1]
    assert "2 of which the chains' states prove" in verdict.claim


def test_the_prover_still_writes_the_frozen_package_with_every_part():
    from tests.kit.proofs.write_vectors import whole_package  # which imports this module

    assert whole_package() == (VECTORS / "every-part.ccp").read_bytes()


def test_the_frozen_package_under_every_rule_verifies():
    """Its rows are computed again from its parameters and prices: a later rulebook must keep this one."""
    data = (VECTORS / "every-rule.ccp").read_bytes()
    verdict = verify_package(data)
    assert verdict.ok, verdict.checks[-1]
    names = {slot.name.split(":")[0] for slot in read_package(data).statement.slots}
    assert names >= {"max", "short", "charge", "concentration", "tail", "beyond", "joint", "groups", "uncovered"}


def test_the_prover_still_writes_the_frozen_package_under_every_rule():
    from tests.kit.proofs.write_vectors import package_under_every_rule  # which imports this module

    assert package_under_every_rule() == (VECTORS / "every-rule.ccp").read_bytes()


def test_the_frozen_proof_of_one_account_verifies():
    verdict = verify_standalone((VECTORS / "account-1.ccs").read_bytes(), (VECTORS / "three-accounts.ccp").read_bytes())
    assert verdict.ok, verdict.checks[-1]


def test_the_prover_still_writes_the_frozen_package(market):
    assert market.honest(market.snapshot(), scalars=counted_scalars()) == (VECTORS / "three-accounts.ccp").read_bytes()


def test_the_prover_still_writes_the_frozen_proof_of_one_account(market):
    package = read_package((VECTORS / "three-accounts.ccp").read_bytes())
    own = OwnAccount(1, dict(market.HOLDINGS)[1], market.seeds()[1])
    assert prove_account(package, own, scalars=counted_scalars()) == (VECTORS / "account-1.ccs").read_bytes()


def test_transcript_and_basis_are_the_frozen_ones():
    frozen = json.loads((VECTORS / "primitives.json").read_text())
    transcript = Transcript("crossclear/vector/v1")
    transcript.append_bytes("bytes", b"abc")
    transcript.append_integer("integer", 2**255)
    transcript.append_scalar("scalar", ORDER - 1)
    assert f"{transcript.challenge('challenge'):064x}" == frozen["challenge"]
    assert f"{transcript.fork('fork').challenge('challenge'):064x}" == frozen["fork"]
    assert encode_point(basis(2048).lagrange[1]).hex() == frozen["lagrange_1"]
    assert encode_point(basis(2048).hiding[1]).hex() == frozen["hiding_1"]
