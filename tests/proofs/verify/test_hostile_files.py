"""Whatever is in a file, the verifier answers with a named check, and each tool with a view, a verdict or a refusal.

The worst case: more than two thirds of the validators certify nonsense.
"""

import json
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from clearing.base.codec import encode
from clearing.base.errors import CrossclearError, RemoteFault
from clearing.margin.statement.snapshot import RiskStatement
from proofs.epoch.package import EpochPackage, read_package, write_package
from proofs.history.package_history import PackageHistory
from proofs.verify.file_view import view_of
from proofs.verify.package_verifier import verify_package
from proofs.verify.standalone import verify_standalone, verify_standalones
from proofs.verify.standalone_prover import make_standalone, prove_account
from proofs.verify.verdict import DETAIL_MAX, OwnAccount, printable
from tests.kit.member.hostile_text import is_plain
from tests.kit.proofs.cheated_package import signed_anew
from tests.kit.proofs.hostile import changed_anywhere

replace = msgspec.structs.replace
LENIENT = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much]
DOMAINS = (256, 256, 0, 257, 2048, 4096, 2**32 - 1)


@pytest.fixture(scope="module")
def own(market):
    return OwnAccount(1, dict(market.HOLDINGS)[1], market.seeds()[1], market.owner(1))


@pytest.fixture(scope="module")
def proof(package, own) -> bytes:
    return prove_account(read_package(package), own)


def mutated(package: bytes, data) -> bytes:
    return msgspec.msgpack.encode(changed_anywhere(msgspec.msgpack.decode(package), data))


def certified(market, good: EpochPackage, data, commitments: Sequence[tuple]) -> tuple[bytes, bool]:
    """A statement of any shape and domain, of any commitments, that a quorum certified; whether it is the good one."""
    tree = changed_anywhere(msgspec.msgpack.decode(encode(good.statement)), data)
    try:
        stated = msgspec.msgpack.decode(msgspec.msgpack.encode(tree), type=RiskStatement)
    except msgspec.DecodeError:
        reject()
    forged = replace(
        good,
        statement=stated,
        domain=data.draw(st.sampled_from(DOMAINS)),
        commitments=data.draw(st.sampled_from([good.commitments, *commitments])),
    )
    data = signed_anew(market, forged, commitments_height=min(stated.height, 2**62), height=2**62 + 1)
    return data, forged == good


@settings(max_examples=75, suppress_health_check=LENIENT)
@given(data=st.data())
def test_a_certified_statement_of_any_shape_is_judged_and_never_raises(market, package, data):
    good = read_package(package)
    others = [(), good.commitments[:1], ((2**63 - 1, bytes(48)),), good.commitments[::-1]]
    forged, unchanged = certified(market, good, data, others)
    verdict = verify_package(forged)
    assert verdict.ok is unchanged, verdict.checks[-1]


@settings(max_examples=40, suppress_health_check=LENIENT)
@given(data=st.data())
def test_a_statement_of_any_shape_that_a_quorum_certified_is_judged_without_a_crash(market, package, proof, own, data):
    good = read_package(package)
    forged, unchanged = certified(market, good, data, [(), good.commitments[:1] * 2, ((1, bytes(48)),)])
    shown_or_refused(forged)
    assert all(verdict.ok is unchanged for verdict in verify_standalones([proof, proof], forged))
    history = PackageHistory()
    history.add("good", package)
    history.add("forged", forged)
    history.finish()
    try:
        make_standalone(forged, own, network=market.NETWORK, validators_hash=good.validators.hash)
    except CrossclearError:  # ours where holdings are committed otherwise on this domain
        assert not unchanged


@settings(max_examples=150, suppress_health_check=LENIENT)
@given(data=st.data())
def test_a_file_of_any_shape_is_judged_and_never_raises(package, data):
    forged = mutated(package, data)
    # Without the proof of the house's cash it claims less, and says so (`test_house_owes_nothing`).
    stripped = write_package(replace(read_package(package), house=b""))
    verdict = verify_package(forged)
    assert verdict.ok is (forged in (package, stripped)), verdict.checks[-1]


@settings(max_examples=60, suppress_health_check=LENIENT)
@given(data=st.data())
def test_a_changed_package_is_shown_judged_and_compared_without_a_crash(package, proof, data):
    forged = mutated(package, data)
    shown_or_refused(forged)
    history = PackageHistory()
    history.add("good", package)
    result = history.add("forged", forged)
    assert result.ok is history.finish().ok is (without_evidence(forged) == without_evidence(package))
    alone = verify_standalone(proof, forged)
    assert alone.ok or alone.claim == ""


@settings(max_examples=150)
@given(st.one_of(st.binary(max_size=300), st.binary(max_size=2600).map(lambda data: b"ccs\x01" + data)))
def test_random_bytes_fail_as_encoding_and_are_shown_or_refused(data):
    assert verify_package(data).failed == "encoding"
    shown_or_refused(data)
    assert not PackageHistory().add("random", data).ok


def without_evidence(data: bytes) -> bytes:
    """Without the parts that a package may leave out: a verdict says then what is not shown."""
    try:
        return write_package(replace(read_package(data), house=b"", custody=()))
    except RemoteFault:
        return data


def shown_or_refused(data: bytes) -> None:
    try:
        json.dumps(view_of(data))
    except RemoteFault:
        return


def test_an_oversized_file_is_refused_before_it_is_parsed(monkeypatch, package):
    monkeypatch.setattr("proofs.epoch.package.PACKAGE_BYTES_MAX", len(package) - 1)
    assert verify_package(package).failed == "encoding"


@settings(max_examples=20)
@given(st.text(max_size=100))
def test_words_are_printable_and_bounded(text):
    assert is_plain(printable(text))
    assert len(printable(text * DETAIL_MAX)) <= 10 * (DETAIL_MAX + 1)


def test_words_of_a_hostile_statement_are_printable(market):
    """A quorum may certify names that steer a terminal."""
    stated = market.statement()
    slots = tuple(replace(slot, name=f"\x1b]0;{slot.name}\x07" * 400) for slot in stated.slots)
    totals = tuple(replace(total, total=total.total + 1) for total in stated.totals)
    cheat = market.Cheat(market.snapshot())
    verdict = verify_package(cheat.package(cheat.witnesses(), shown=replace(stated, slots=slots, totals=totals)))
    assert not verdict.ok
    assert is_plain(verdict.checks[-1].detail)
    assert len(verdict.checks[-1].detail) <= 10 * (DETAIL_MAX + 1)
