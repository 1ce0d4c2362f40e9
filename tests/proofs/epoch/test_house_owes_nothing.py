"""The house's cash: a house that owes nothing shows it, one that owes cannot, and no other proof passes for it."""

from dataclasses import replace as changed

import pytest
from msgspec.structs import replace

from proofs.algebra.field import ORDER
from proofs.epoch.house_solvency import PROTOCOL, house_statement
from proofs.epoch.package import linear_statement, read_package, write_package
from proofs.linear.prover import prove
from proofs.linear.statement import make_witness
from proofs.linear.verifier import verify
from proofs.verify.package_verifier import verify_package
from tests.kit.proofs.forgers.weakened import leaving_out, passes_only_in
from tests.kit.proofs.slow_package import failed_check

OWING = ((0, (-5_000, 10_000, 0, 3)), (1, (19_000, 40, -2, 0)), (5, (2_000, 700, 2, -3)))
"""The house owes cash, which its collateral backs: solvent by every row."""


def house_check(data):
    verdict = verify_package(data)
    return next(check for check in verdict.checks if check.name == "house")


def test_a_house_that_owes_nothing_shows_it(package):
    found = house_check(package)
    assert (found.ok, found.complete) == (True, True)
    assert "owes nothing in 1 currencies" in found.detail
    assert not any("perhaps among them" in each for each in verify_package(package).not_proven)
    assert failed_check(package) == ""


def test_a_house_that_owes_is_solvent_and_says_that_it_shows_no_more(market):
    data = market.honest(market.snapshot(OWING))
    verdict = verify_package(data)
    assert verdict.ok, verdict.checks[-1]
    assert read_package(data).house == b""
    assert not house_check(data).complete
    assert any("the house perhaps among them" in each for each in verdict.not_proven)
    assert failed_check(data) == ""


@pytest.mark.parametrize("shown", [-5_000, 5_000, 0, ORDER - 5_000])
def test_a_house_that_owes_cannot_show_that_it_does_not(market, shown):
    """Whatever digits it shows, its commitment holds the debt."""
    data = market.honest(market.snapshot(OWING))
    read = read_package(data)
    transcript = verify(linear_statement(read.statement, read.commitments, market.N), read.proof)
    wanted = house_statement(read.statement, read.commitments, market.N, transcript)
    own = market.Cheat(market.snapshot(OWING)).witnesses()[0]
    lie = make_witness(wanted.layout, (shown, *own.values[1:]), 0, own.blinders, check=False)
    true = make_witness(wanted.layout, own.values, 0, own.blinders, check=False)
    for witness in (true, lie, changed(true, digits=lie.digits)):
        proof, _ = prove(wanted, [witness], check_witness=False)
        forged = write_package(replace(read, house=proof))
        assert verify_package(forged).failed == "house"
        assert failed_check(forged) == "house"


def test_no_proof_of_another_package_or_account_passes_for_the_houses(market, package):
    read, other = read_package(package), read_package(market.honest(market.snapshot()))
    assert verify_package(write_package(replace(read, house=other.house))).failed == "house"
    for broken in (read.house[:-1], read.house + b"\0"):
        assert verify_package(write_package(replace(read, house=broken))).failed == "sizes"
    for broken in (b"\0" * len(read.house), read.proof):
        assert verify_package(write_package(replace(read, house=broken))).failed == "house"
    stripped = write_package(replace(read, house=b""))
    assert verify_package(stripped).ok
    assert not house_check(stripped).complete, "a file without it claims no more than it shows"


def test_without_the_package_in_its_context_the_houses_proof_is_replayed_and_nothing_else(market):
    def moved():
        one, two = (read_package(market.honest(market.snapshot())) for _ in range(2))
        return write_package(replace(two, house=one.house))

    passes_only_in(leaving_out("parent", protocol=PROTOCOL), moved, "house")
