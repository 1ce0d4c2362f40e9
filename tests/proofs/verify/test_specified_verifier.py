"""The verifier that was written from the specification judges as the verifier here does, check by check.

It is in `tests/vectors/proofs/runner` and shares nothing with the code.
"""

import ast
import random
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearing.base.codec import encode
from clearing.base.errors import BaseCode, RemoteFault
from clearing.margin.statement.rulebook import read_rulebook
from clearing.margin.statement.snapshot import AccountHoldings, RiskStatement
from proofs.algebra.commitment import epoch_seed
from proofs.epoch.package import read_package
from proofs.errors import ProofCode
from proofs.statement.arithmetization import check_statement, complete_holdings
from proofs.statement.rulebook_checks import check_rulebook
from proofs.verify.package_verifier import verify_package
from proofs.verify.standalone import verify_standalone
from tests.kit.proofs.counted import VECTORS
from tests.kit.proofs.hostile import changed_anywhere
from tests.kit.proofs.requirement import STATED as UNDER_EVERY_RULE
from tests.vectors.proofs.runner import inclusion, rules, statement
from tests.vectors.proofs.runner.encoding import Reader, Refused, packed
from tests.vectors.proofs.runner.linear import CEREMONY
from tests.vectors.proofs.runner.verify import failed_answer, failed_check, failed_standalone

PACKAGES = {path.name: path.read_bytes() for path in sorted(VECTORS.glob("*.ccp"))}
ALONE = (VECTORS / "account-1.ccs").read_bytes()
STATEMENTS = (*(read_package(data).statement for data in PACKAGES.values()), UNDER_EVERY_RULE)
TIMES = (1_584_000_000_000, 1_700_000_000_000, 2**60)
"""Of headers: before, within and after the life of the instruments."""
RUNNER = Path(__file__).resolve().parents[2] / "vectors" / "proofs" / "runner"


def test_it_shares_nothing_with_the_code():
    imported = set()
    for path in RUNNER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                imported.add(node.module or "")
            elif isinstance(node, ast.Import):
                imported.update(alias.name for alias in node.names)
    assert len(imported) > 5
    own = "tests.vectors.proofs.runner"
    assert not [name for name in imported if name.split(".")[0] in ("proofs", "clearing", "tests") and own not in name]


@pytest.mark.parametrize("name", PACKAGES)
def test_it_accepts_each_frozen_package(name):
    assert failed_check(PACKAGES[name]) == ("", "")


def test_it_accepts_the_frozen_proof_of_one_account():
    assert failed_standalone(ALONE, PACKAGES["three-accounts.ccp"]) == ("", "")


def test_it_finds_the_same_check_where_one_bit_differs():
    drawn, seen = random.Random(17), set()
    for name, data in PACKAGES.items():
        for _ in range(30):
            place = drawn.randrange(len(data))
            bent = data[:place] + bytes([data[place] ^ 1 << drawn.randrange(8)]) + data[place + 1 :]
            found = verify_package(bent).failed or ""
            assert failed_check(bent)[0] == found, (name, place)
            seen.add(found)
    assert len(seen) > 5


def test_it_finds_the_same_check_where_a_standalone_proof_differs():
    package, seen = PACKAGES["three-accounts.ccp"], set()
    for place in range(0, len(ALONE), 29):
        bent = ALONE[:place] + bytes([ALONE[place] ^ 1]) + ALONE[place + 1 :]
        found = verify_standalone(bent, package).failed
        assert failed_standalone(bent, package)[0] == found
        seen.add(found)
    assert seen == {"encoding", "listed", "solvency"}
    assert failed_standalone(ALONE, PACKAGES["every-part.ccp"])[0] == "listed"


def test_it_finds_the_commitment_that_a_node_signed():
    answer = (VECTORS / "answer.cci").read_bytes()
    package = PACKAGES["three-accounts.ccp"]
    assert failed_answer(answer, package) == ("", "", "")
    for place, refused in ((len(answer) - 1, "BAD_ANSWER"), (0, "MALFORMED"), (60, "BAD_ANSWER")):
        bent = answer[:place] + bytes([answer[place] ^ 1]) + answer[place + 1 :]
        assert failed_answer(bent, package)[1:] == (refused, "")


def test_a_seed_of_an_epoch_follows_from_the_root_seed():
    assert inclusion.epoch_seed(b"\1" * 32, 5, 4) == epoch_seed(b"\1" * 32, 5, 4)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_it_completes_holdings_to_the_same_values(data):
    stated = data.draw(st.sampled_from(STATEMENTS))
    public = [j for j, slot in enumerate(stated.slots) if slot.is_public]
    values = data.draw(st.lists(st.integers(-(10**9), 10**9), min_size=len(public), max_size=len(public)))
    found = inclusion.all_values(
        Reader(encode(stated)).whole("`RiskStatement`"), dict(zip(public, values, strict=True))
    )
    known = complete_holdings(stated, AccountHoldings(1, tuple(values)))
    assert tuple(found[j] for j in range(len(stated.slots))) == known


def test_a_kind_that_it_does_not_know_is_named():
    package = msgspec.msgpack.decode(PACKAGES["three-accounts.ccp"])
    package[6][6][0][1] = 99
    assert failed_check(packed(package)) == ("encoding", "UNKNOWN_KIND")
    found = verify_package(packed(package))
    assert (found.failed, found.checks[-1].code) == ("encoding", ProofCode.UNKNOWN_KIND)


def changed(value, data):
    """The canonical bytes of a value with one place changed."""
    return packed(changed_anywhere(msgspec.msgpack.decode(value), data))


def decoded(value, kind):
    """What the specification reads, or None; with what the code says of it, which must be the same."""
    try:
        found = Reader(value).whole(f"`{kind.__name__}`")
        fault = None if packed(found) == value else BaseCode.NON_CANONICAL.name
    except Refused as refused:
        found, fault = None, refused.args[0]
    try:
        theirs = msgspec.msgpack.decode(value, type=kind)
        code = None if encode(theirs) == value else BaseCode.NON_CANONICAL.name
    except (msgspec.DecodeError, UnicodeDecodeError, OverflowError):
        theirs, code = None, BaseCode.MALFORMED.name
    assert fault == code
    return (found, theirs) if fault is None else None


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_it_judges_a_statement_of_any_shape_alike(data):
    stated = msgspec.structs.replace(data.draw(st.sampled_from(STATEMENTS)), rules=b"")
    try:
        both = decoded(changed(encode(stated), data), RiskStatement)
    except Refused:  # a number that has no encoding
        return
    if both is not None:
        assert is_refused(lambda: statement.check(both[0], CEREMONY)) == is_refused(lambda: check_statement(both[1]))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_it_makes_the_same_rows_of_a_rulebook_of_any_shape(data):
    stated = data.draw(st.sampled_from(STATEMENTS))
    try:
        book = changed(stated.rules, data)
    except Refused:  # a number that has no encoding
        return
    now = data.draw(st.sampled_from(TIMES))
    found = Reader(encode(stated)).whole("`RiskStatement`") | {"rules": book}
    theirs = msgspec.structs.replace(stated, rules=book)
    assert is_refused(lambda: rules.check(found, now)) == is_refused(lambda: check_rulebook(theirs, certified_ms=now))
    try:
        slots, rows = read_rulebook(book, 2**20).slots_and_rows()
    except Exception:  # whatever it is: the specification must refuse it too
        assert is_refused(lambda: rules.Maker(rules.read(book, 2**20)).slots_and_rows())
        return
    made_slots, made_rows = rules.Maker(rules.read(book, 2**20)).slots_and_rows()
    assert made_slots == [(slot.name, slot.kind, slot.group) for slot in slots]
    assert made_rows == [(row.kind, list(row.coefficients), row.constant, row.shortfall) for row in rows]


def is_refused(check):
    try:
        check()
    except (Refused, RemoteFault):
        return True
    return False
