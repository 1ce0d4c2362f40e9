"""Histories, views and single proofs of packages that test the default fund."""

import json

import msgspec
import pytest

from proofs.epoch.package import commitments_root, read_package, write_package
from proofs.epoch.prover import commit_epoch, prove_epoch
from proofs.errors import ProofCode
from proofs.history.blinder_reuse import blinded_messages
from proofs.history.package_history import PackageHistory
from proofs.verify.file_view import view_of
from proofs.verify.package_verifier import verify_package
from proofs.verify.standalone import verify_standalone
from proofs.verify.standalone_prover import prove_account
from proofs.verify.verdict import OwnAccount
from tests.kit.proofs.made_market import NOW_MS
from tests.kit.proofs.stressed import N, seeds_of, snapshot_of

HELD = {1: (9 * 10**9, 0, 5_000, 0, 0), 2: (7 * 10**9, 0, -4_000, 10, 0), 3: (3 * 10**9, 10_000, 0, 0, 0)}
MEMBERS = {1: 11, 2: 12, 3: 13}


@pytest.fixture(scope="module")
def shot():
    return snapshot_of(HELD, MEMBERS)


def package_of(market, shot, **options):
    keys = seeds_of([each.account for each in shot.accounts])
    root = commitments_root(shot.statement, commit_epoch(shot, keys, N), N)
    stated = shot.statement
    head = market.certified(
        root, height=stated.height + 3, commitments_height=stated.height, time_ms=NOW_MS + stated.height
    )
    return prove_epoch(shot, keys, *head, domain=N, **options)


@pytest.fixture(scope="module")
def covered(market, shot):
    return package_of(market, shot)


def later(shot):
    stated = shot.statement
    changes = {"epoch": stated.epoch + 1, "height": stated.height + 9, "state_root": bytes(32)}
    return msgspec.structs.replace(shot, statement=msgspec.structs.replace(stated, **changes))


def test_a_member_proves_its_account_beside_the_stress_slots(covered, shot):
    account = next(each for each in shot.accounts if each.account == 2)
    made = prove_account(read_package(covered), OwnAccount(2, account.values, seeds_of([2])[2]))
    verdict = verify_standalone(made, covered)
    assert verdict.ok, verdict.checks[-1]


def test_a_fund_that_is_tested_is_no_open_check(covered):
    complete = {check.name: check.complete for check in verify_package(covered).checks}
    assert (complete["cover"], complete["custody"]) == (True, False)


def test_the_claim_tells_what_the_fund_covers(covered, market):
    assert (
        "covers what its two largest members would lack in each of 2 stress scenarios" in verify_package(covered).claim
    )
    short = snapshot_of(HELD, MEMBERS, fund=10**9)
    lacks = [each for each in short.statement.cover[0].deficits if each]
    claim = verify_package(package_of(market, short)).claim
    assert lacks
    assert f"in {2 - len(lacks)} of 2 stress scenarios, and lacks at most {max(lacks)} micros in the others" in claim


def test_the_funds_proof_is_shown_by_its_parts(covered, shot):
    shown = view_of(covered)
    json.dumps(shown)
    names = [each["stress"] for each in shown["cover"]["C_V"]]
    assert len(names) == len(shot.statement.cover[0].deficits) > 0
    assert len(shown["cover"]["proof"]["accounts"]) == len(names)
    broken = msgspec.structs.replace(read_package(covered), cover=b"\1")
    assert view_of(write_package(broken))["cover"]["bytes"] == "0x01"


def test_the_funds_vectors_are_among_the_messages_that_may_not_repeat(covered):
    named = dict(blinded_messages(read_package(covered)))
    package = read_package(covered)
    assert package.cover[:48] in named.values()
    assert len(set(named.values())) == len(named)
    assert sum(name.startswith("C_V ") for name in named) == 2


def test_a_fund_proven_twice_with_one_draw_is_found(market, shot):
    def drawn():
        numbers = iter(range(10**6))
        return lambda: pow(7, next(numbers) + 1, 2**200)

    history = PackageHistory()
    history.add("first", package_of(market, shot, scalars=drawn()))
    assert history.add("second", package_of(market, later(shot), scalars=drawn())).ok
    verdict = history.finish()
    assert {each.code for each in verdict.findings} == {ProofCode.BLINDERS_REUSED}
    assert any(each.detail.startswith("C_V of stress") for each in verdict.findings)
