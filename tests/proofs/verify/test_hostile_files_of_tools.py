"""Whatever is in a file, each tool answers: a view, a verdict or a refusal with a code; never a crash."""

import json

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearing.base.codec import encode
from clearing.base.errors import CrossclearError, RemoteFault
from clearing.margin.statement.snapshot import RiskStatement
from proofs.epoch.package import commitments_root, read_package, write_package
from proofs.history.package_history import PackageHistory
from proofs.verify.file_view import view_of
from proofs.verify.package_verifier import verify_package
from proofs.verify.standalone import verify_standalone, verify_standalones
from proofs.verify.standalone_prover import make_standalone, prove_account
from proofs.verify.verdict import DETAIL_MAX, OwnAccount, printable
from tests.kit.proofs.hostile import changed, places

quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture(scope="module")
def own(market):
    return OwnAccount(1, dict(market.HOLDINGS)[1], market.seeds()[1])


@pytest.fixture(scope="module")
def proof(package, own) -> bytes:
    return prove_account(read_package(package), own)


def mutated(package, data):
    tree = msgspec.msgpack.decode(package)
    return msgspec.msgpack.encode(changed(tree, data.draw(st.sampled_from(sorted(places(tree)))), data))


def shown_or_refused(data):
    try:
        json.dumps(view_of(data))
    except RemoteFault:
        return


@quick
@given(data=st.data())
def test_a_changed_package_is_shown_judged_and_compared_without_a_crash(package, proof, data):
    forged = mutated(package, data)
    shown_or_refused(forged)
    history = PackageHistory()
    history.add("good", package)
    result = history.add("forged", forged)
    verdict = history.finish()
    assert result.ok is (forged == package)
    assert verdict.ok is (forged == package)
    alone = verify_standalone(proof, forged)
    assert alone.ok or alone.claim == ""


@quick
@given(data=st.data())
def test_a_statement_of_any_shape_that_a_quorum_certified_is_judged_without_a_crash(market, package, proof, own, data):
    good = read_package(package)
    tree = msgspec.msgpack.decode(encode(good.statement))
    path = data.draw(st.sampled_from(sorted(places(tree))))
    try:
        stated = msgspec.msgpack.decode(msgspec.msgpack.encode(changed(tree, path, data)), type=RiskStatement)
    except msgspec.DecodeError:
        return
    domain = data.draw(st.sampled_from([market.N, market.N, 0, 257, 2048, 2**32 - 1]))
    commitments = data.draw(st.sampled_from([good.commitments, (), good.commitments[:1] * 2, ((1, bytes(48)),)]))
    header, certificate, validators = market.certified(
        commitments_root(stated, commitments, domain), commitments_height=min(stated.height, 2**62), height=2**62 + 1
    )
    forged = write_package(
        msgspec.structs.replace(
            good,
            statement=stated,
            commitments=commitments,
            domain=domain,
            header=header,
            certificate=certificate,
            validators=validators,
        )
    )
    shown_or_refused(forged)
    unchanged = stated == good.statement and commitments == good.commitments and domain == good.domain
    assert all(verdict.ok is unchanged for verdict in verify_standalones([proof, proof], forged))
    history = PackageHistory()
    history.add("good", package)
    history.add("forged", forged)
    history.finish()
    try:
        make_standalone(forged, own, network=market.NETWORK, validators_hash=validators.hash)
        made = True
    except CrossclearError:  # ours where holdings are committed otherwise on this domain
        made = False
    assert made or not unchanged


@quick
@given(st.one_of(st.binary(max_size=300), st.binary(max_size=2600).map(lambda data: b"ccs\x01" + data)))
def test_random_bytes_are_shown_or_refused(data):
    shown_or_refused(data)
    assert not PackageHistory().add("random", data).ok


@settings(max_examples=20)
@given(st.text(max_size=100))
def test_words_are_printable_and_bounded(text):
    told = printable(text)
    assert all(each.isprintable() for each in told)
    assert len(printable(text * DETAIL_MAX)) <= 10 * (DETAIL_MAX + 1)


def test_words_of_a_hostile_statement_are_printable(market):
    """A quorum may certify names that steer a terminal."""
    stated = market.statement()
    slots = tuple(msgspec.structs.replace(slot, name=f"\x1b]0;{slot.name}\x07" * 400) for slot in stated.slots)
    totals = tuple(msgspec.structs.replace(total, total=total.total + 1) for total in stated.totals)
    shown = msgspec.structs.replace(stated, slots=slots, totals=totals)
    cheat = market.Cheat(market.snapshot())
    verdict = verify_package(cheat.package(cheat.witnesses(), shown=shown))
    assert not verdict.ok
    assert all(each.isprintable() for each in verdict.checks[-1].detail)
    assert len(verdict.checks[-1].detail) <= 10 * (DETAIL_MAX + 1)
