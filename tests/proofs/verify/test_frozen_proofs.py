"""Frozen vectors: packages and transcripts made once must verify, byte for byte, with every later version.

A vector is written once for a format version and never again (`tests/vectors/proofs/README.md`).
"""

import hashlib
import json

import pytest

from clearing.margin.statement.snapshot import RowKind, Slot, SlotKind
from proofs.algebra.field import ORDER
from proofs.algebra.group import encode_point
from proofs.algebra.srs import basis
from proofs.algebra.transcript import Transcript
from proofs.epoch.package import FORMAT, read_package, write_package
from proofs.statement.kinds import TABLES
from proofs.verify.package_verifier import verify_package
from proofs.verify.signed_inclusion import accuse, read_answer
from proofs.verify.standalone import verify_standalone
from tests.kit.proofs.counted import SUMS, VECTORS
from tests.kit.proofs.slow_package import failed_check
from tests.kit.proofs.write_vectors import vectors

PACKAGES = (
    "three-accounts.ccp",
    "every-part.ccp",
    "every-rule.ccp",
    "listed-custody.ccp",
    "collateral-inside.ccp",
    "every-charge.ccp",
    "history.ccp",
    "live-surface.ccp",
    "averaged-option.ccp",
)
KINDS = {
    "slots": "1 cash 8 9223372036854775808 public, 2 token 7 0 public, 3 position 5 549755813888 public, "
    "4 group_max 8 0, 5 auxiliary 8 0, 6 auxiliary_signed 8 9223372036854775808, 7 uncovered 8 0, 8 net_charge 8 0, "
    "9 historical 8 0",
    "rows": "1 at_least_zero 8 0, 2 equal_zero 0 0",
}


def test_every_frozen_package_is_judged_here():
    assert {path.name for path in VECTORS.glob("*.ccp")} == set(PACKAGES)


def frozen(name):
    return (VECTORS / name).read_bytes()


def test_the_frozen_files_are_the_ones_that_were_frozen():
    sums = dict(reversed(line.split("  ")) for line in (VECTORS / SUMS).read_text().splitlines())
    found = {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in VECTORS.iterdir()}
    del found[SUMS]
    assert found == sums


@pytest.fixture(scope="module")
def written():
    return vectors()


@pytest.mark.parametrize("name", [*PACKAGES, "account-1.ccs", "answer.cci", "refuted.cci"])
def test_the_prover_still_writes_each_frozen_file(written, name):
    assert written[name] == frozen(name)


@pytest.mark.parametrize("name", PACKAGES)
def test_each_frozen_package_verifies(name):
    """Rows are computed again from parameters and prices: a later rulebook must keep this one."""
    verdict = verify_package(frozen(name))
    assert verdict.ok, verdict.checks[-1]


@pytest.mark.parametrize("name", PACKAGES)
def test_the_second_verifier_accepts_each_frozen_package(name):
    assert failed_check(frozen(name)) == ""


def test_the_frozen_proof_of_one_account_verifies():
    verdict = verify_standalone(frozen("account-1.ccs"), frozen("three-accounts.ccp"))
    assert verdict.ok, verdict.checks[-1]


@pytest.mark.parametrize(("name", "contradicted"), [("answer.cci", False), ("refuted.cci", True)])
def test_a_frozen_answer_is_borne_out_or_refuted_by_the_frozen_package(name, contradicted):
    found = accuse(read_answer(frozen(name)), read_package(frozen("three-accounts.ccp")))
    assert (found.contradicted, found.is_validator) == (contradicted, False)


@pytest.mark.parametrize("name", PACKAGES)
def test_a_frozen_package_that_is_read_is_written_again_as_it_was(name):
    assert write_package(read_package(frozen(name))) == frozen(name)


@pytest.mark.parametrize("other", ["crossclear-epoch-package/1", "crossclear-epoch-package/3"])
def test_a_package_under_the_name_of_another_format_is_refused(other):
    data, own = frozen("three-accounts.ccp"), FORMAT.encode()
    assert data.count(own) == 1
    assert verify_package(data.replace(own, other.encode())).failed == "encoding"


def test_the_table_of_kinds_only_grows():
    """A number, name or range of a kind never changes; a new kind comes at the end, with its own line here."""
    for part, lines in KINDS.items():
        kinds = TABLES[part].values()
        found = [f"{k.number:d} {k.name} {k.width} {k.offset}{' public' if k.public else ''}" for k in kinds]
        assert found == lines.split(", ")
    assert [kind.value for kind in SlotKind] == list(TABLES["slots"])
    assert [kind.value for kind in RowKind] == list(TABLES["rows"])
    assert {kind.number for kind in TABLES["slots"].values() if kind.public} == {
        kind.value for kind in SlotKind if Slot("x", kind).is_public
    }


def test_the_frozen_package_with_every_part_has_them_and_says_so():
    package = read_package(frozen("every-part.ccp"))
    assert package.cover
    assert len(package.custody) == 2
    assert "2 of which the chains' states prove" in verify_package(frozen("every-part.ccp")).claim


def test_the_frozen_package_under_every_rule_has_slots_of_each():
    names = {slot.name.split(":")[0] for slot in read_package(frozen("every-rule.ccp")).statement.slots}
    assert names >= {"max", "short", "charge", "concentration", "tail", "beyond", "joint", "groups", "uncovered"}


def test_transcript_and_basis_are_the_frozen_ones():
    primitives = json.loads(frozen("primitives.json"))
    transcript = Transcript("crossclear/vector/v1")
    transcript.append_bytes("bytes", b"abc")
    transcript.append_integer("integer", 2**255)
    transcript.append_scalar("scalar", ORDER - 1)
    assert f"{transcript.challenge('challenge'):064x}" == primitives["challenge"]
    assert f"{transcript.fork('fork').challenge('challenge'):064x}" == primitives["fork"]
    assert encode_point(basis(2048).lagrange[1]).hex() == primitives["lagrange_1"]
    assert encode_point(basis(2048).hiding[1]).hex() == primitives["hiding_1"]
