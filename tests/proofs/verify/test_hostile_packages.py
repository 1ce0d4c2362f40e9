"""Hostile files: whatever is in them, the verifier answers with a named check and never raises."""

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearing.base.codec import encode
from clearing.margin.statement.snapshot import RiskStatement
from proofs.epoch.package import commitments_root, read_package, write_package
from proofs.verify.package_verifier import verify_package
from tests.kit.proofs.hostile import changed, places

quick = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@quick
@given(data=st.data())
def test_a_certified_statement_of_any_shape_is_judged_and_never_raises(market, package, data):
    """The worst case: more than two thirds of the validators certify nonsense."""
    good = read_package(package)
    tree = msgspec.msgpack.decode(encode(good.statement))
    path = data.draw(st.sampled_from(sorted(places(tree))))
    try:
        stated = msgspec.msgpack.decode(msgspec.msgpack.encode(changed(tree, path, data)), type=RiskStatement)
    except msgspec.DecodeError:
        return
    domain = data.draw(st.sampled_from([market.N, market.N, 0, 257, 2048, 4096, 2**32 - 1]))
    commitments = data.draw(
        st.sampled_from([good.commitments, (), good.commitments[:1], ((2**63 - 1, bytes(48)),), good.commitments[::-1]])
    )
    header, certificate, validators = market.certified(
        commitments_root(stated, commitments, domain), commitments_height=min(stated.height, 2**62), height=2**62 + 1
    )
    forged = msgspec.structs.replace(
        good,
        statement=stated,
        commitments=commitments,
        domain=domain,
        header=header,
        certificate=certificate,
        validators=validators,
    )
    verdict = verify_package(write_package(forged))
    unchanged = stated == good.statement and commitments == good.commitments and domain == good.domain
    assert verdict.ok is unchanged, verdict.checks[-1]


@quick
@given(data=st.data())
def test_a_file_of_any_shape_is_judged_and_never_raises(package, data):
    tree = msgspec.msgpack.decode(package)
    path = data.draw(st.sampled_from(sorted(places(tree))))
    forged = msgspec.msgpack.encode(changed(tree, path, data))
    # Without the proof of the house's cash it claims less, and says so (`test_house_owes_nothing`).
    stripped = write_package(msgspec.structs.replace(read_package(package), house=b""))
    verdict = verify_package(forged)
    assert verdict.ok is (forged in (package, stripped)), verdict.checks[-1]


@quick
@given(st.binary(max_size=200))
def test_random_bytes_fail_as_encoding(data):
    assert verify_package(data).failed == "encoding"


def test_an_oversized_file_is_refused_before_it_is_parsed(monkeypatch, package):
    monkeypatch.setattr("proofs.epoch.package.PACKAGE_BYTES_MAX", len(package) - 1)
    assert verify_package(package).failed == "encoding"
