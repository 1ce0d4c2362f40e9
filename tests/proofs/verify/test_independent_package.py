"""Whole packages before both verifiers: the fast one and a slow one, written from the notes, say the same by name.

With CROSSCLEAR_COMPLETE=1 every package that a test of this folder verifies is shown to the slow one too.
"""

from pathlib import Path

import msgspec
import pytest

from clearing.base.codec import u256
from clearing.margin.statement.snapshot import PublicTotal
from proofs.algebra.commitment import blinders, commit
from proofs.algebra.group import encode_point
from proofs.algebra.srs import basis
from proofs.epoch.package import attach_custody, commitments_root, read_package, write_package
from proofs.epoch.prover import assemble, commit_epoch, context_of, prove_epoch
from proofs.linear.statement import make_witness
from proofs.statement.arithmetization import complete_holdings, layout_of
from proofs.verify.package_verifier import verify_package
from proofs.verify.standalone import verify_standalone
from proofs.verify.standalone_prover import prove_account
from proofs.verify.verdict import OwnAccount
from tests.kit.proofs.proven_custody import proven
from tests.kit.proofs.slow_package import committed, failed_check, failed_standalone
from tests.kit.proofs.stressed import N, seeds_of, snapshot_of

replace = msgspec.structs.replace
VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "proofs" / "v1"
LEVERED = {
    1: (9 * 10**9, 0, 5_000, 0, 0),
    2: (10**9, 200_000, 0, 0, -2_000),
    3: (7 * 10**9, 0, -4_000, 10, 0),
}
MEMBERS = {1: 11, 2: 11, 3: 12}


def agreed(data: bytes) -> str:
    """The check that fails for both, empty when both accept."""
    found = verify_package(data).failed or ""
    assert failed_check(data) == found
    return found


def test_the_slow_verifier_accepts_every_frozen_vector():
    for path in VECTORS.glob("*.ccp"):
        assert failed_check(path.read_bytes()) == "", path.name
    for path in VECTORS.glob("*.ccs"):
        assert failed_standalone(path.read_bytes(), (VECTORS / "three-accounts.ccp").read_bytes()) == "", path.name


def signed_anew(market, package) -> bytes:
    """A quorum certifies what the package says."""
    root = commitments_root(package.statement, package.commitments, package.domain)
    header, certificate, validators = market.certified(root)
    return write_package(replace(package, header=header, certificate=certificate, validators=validators))


def stating(market, package: bytes, **changes) -> bytes:
    good = read_package(package)
    return signed_anew(market, replace(good, statement=replace(good.statement, **changes)))


def test_both_accept_an_honest_package(package):
    assert agreed(package) == ""


def test_both_find_the_same_check_for_bytes_that_changed(package):
    seen = {agreed(package[:-1]), agreed(package + b"\0"), agreed(b"")}
    for place in range(7, len(package), len(package) // 13):
        other = bytearray(package)
        other[place] ^= 1
        seen.add(agreed(bytes(other)))
    assert seen >= {"encoding", "certificate", "roots"}
    assert "" not in seen


def test_both_find_the_same_check_for_a_proof_or_book_that_changed(market, package):
    good = read_package(package)

    def bent(data: bytes, place: int) -> bytes:
        return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]

    assert agreed(write_package(replace(good, proof=bent(good.proof, 127)))) == "ranges_and_rows"
    assert agreed(write_package(replace(good, proof=good.proof[:-1]))) == "ranges_and_rows"
    assert agreed(write_package(replace(good, book=bent(good.book, 79)))) == "matched_book"
    assert agreed(write_package(replace(good, book=good.book + bytes(32)))) == "matched_book"
    assert agreed(write_package(replace(good, cover=b"x"))) in ("statement", "cover")
    assert agreed(write_package(replace(good, srs=bytes(32)))) == "statement"
    twice = (*good.commitments[:2], good.commitments[1])
    assert agreed(signed_anew(market, replace(good, commitments=twice))) == "statement"


@pytest.mark.parametrize(
    ("account", "slot", "value", "check"),
    [
        (1, "TOKEN", -1, "ranges_and_rows"),
        (1, "R_BTC", 2 * 900 - 1, "ranges_and_rows"),
        (1, "BTC", -1, "matched_book"),
    ],
)
def test_both_find_the_same_check_for_a_cheating_prover(market, account, slot, value, check):
    cheat = market.Cheat(market.snapshot())
    assert agreed(cheat.package(cheat.witnesses({account: {getattr(market, slot): value}}))) == check


def test_both_find_the_same_check_for_a_statement_that_a_quorum_certifies_and_that_is_false(market, package):
    good = read_package(package).statement
    totals = tuple(PublicTotal(t.slot, 1 if t.slot == market.BTC else t.total) for t in good.totals)
    term = good.custody[0]
    assert agreed(stating(market, package, height=39)) == "roots"
    assert agreed(stating(market, package, totals=())) == "statement"
    assert agreed(stating(market, package, shortfalls=((77, 1),))) == "statement"
    assert agreed(stating(market, package, totals=totals)) == "ranges_and_rows"  # the root is the proof's context
    cheat = market.Cheat(market.snapshot())
    for changes, check in (
        ({"totals": totals}, "matched_book"),
        ({"custody": (replace(term, balance=bytes(32)), *good.custody[1:])}, "reserves"),
        ({"custody": good.custody[1:]}, "reserves"),
    ):
        assert agreed(cheat.package(cheat.witnesses(), shown=replace(good, **changes))) == check


def test_both_read_the_same_out_of_a_chains_state(market):
    statement, evidence = proven(market.statement())
    data = market.honest(replace(market.snapshot(), statement=statement))
    assert agreed(attach_custody(data, evidence)) == ""
    assert agreed(attach_custody(data, evidence[::-1])) == "custody"
    first = evidence[0]
    for nodes in (first.nodes[:-1], (*first.nodes, b"\xc0"), first.nodes[::-1], (b"", *first.nodes[1:])):
        assert agreed(attach_custody(data, (replace(first, nodes=nodes), *evidence[1:]))) == "custody"
    assert agreed(attach_custody(data, (replace(first, header=first.header[:-1]), *evidence[1:]))) == "custody"
    term = statement.custody[0]
    more = replace(
        term,
        deposited=u256(int.from_bytes(term.deposited, "big") + 9),
        later=u256(int.from_bytes(term.later, "big") + 9),
        balance=u256(int.from_bytes(term.balance, "big") + 9),
    )
    false = replace(statement, custody=(more, *statement.custody[1:]))
    data = market.honest(replace(market.snapshot(), statement=false))
    assert agreed(data) == ""
    assert agreed(attach_custody(data, evidence)) == "custody"


# The default fund.


def stressed_package(market, shot) -> bytes:
    keys = seeds_of([each.account for each in shot.accounts])
    root = commitments_root(shot.statement, commit_epoch(shot, keys, N), N)
    return prove_epoch(shot, keys, *market.certified(root), domain=N)


@pytest.fixture(scope="module")
def covered(market) -> bytes:
    return stressed_package(market, snapshot_of(LEVERED, MEMBERS))


def test_both_accept_a_fund_that_covers_and_one_that_says_by_how_much_it_does_not(market, covered):
    assert agreed(covered) == ""
    short = snapshot_of(LEVERED, MEMBERS, fund=10**9)
    assert any(short.statement.cover[0].deficits)
    assert agreed(stressed_package(market, short)) == ""


def test_both_refuse_a_fund_that_hides_what_it_lacks(market):
    shot = snapshot_of(LEVERED, MEMBERS, fund=10**9)
    terms = replace(shot.statement.cover[0], deficits=(0, 0))
    stated = replace(shot.statement, cover=(terms,))
    keys, layout = seeds_of([each.account for each in shot.accounts]), layout_of(stated, N)
    witnesses = [
        make_witness(
            layout,
            complete_holdings(stated, each),
            each.shortfall,
            blinders(keys[each.account], context_of(stated, each.account)),
        )
        for each in shot.accounts
    ]
    commitments = tuple(
        (each.account, encode_point(commit(basis(N), witness.values, witness.blinders)))
        for each, witness in zip(shot.accounts, witnesses, strict=True)
    )
    head = market.certified(commitments_root(stated, commitments, N))
    assert agreed(assemble(stated, commitments, witnesses, *head, domain=N, check_witness=False)) == "cover"


def test_both_find_a_cover_proof_that_changed_anywhere(covered):
    good = read_package(covered)
    for place in range(20, len(good.cover), len(good.cover) // 5):
        other = good.cover[:place] + bytes([good.cover[place] ^ 1]) + good.cover[place + 1 :]
        assert agreed(write_package(replace(good, cover=other))) == "cover"
    for other in (b"", good.cover[:-1], good.cover + b"\0"):
        assert agreed(write_package(replace(good, cover=other))) == "cover"


# One account.


def test_both_judge_proofs_of_one_account_alike(market, package):
    own = OwnAccount(1, dict(market.HOLDINGS)[1], market.seeds()[1])
    good = prove_account(read_package(package), own)
    joint = read_package(package)
    other = dict(joint.commitments)[5]
    told = set()
    for data in (
        good,
        good[:-1],
        b"ccs\x02" + good[4:],
        good[:4] + other + good[52:],
        good[:4] + bytes(48) + good[52:],
        *(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :] for at in range(60, len(good), 130)),
    ):
        failed = verify_standalone(data, package).failed or ""
        found = failed_standalone(data, package)
        assert found == failed or (failed == "encoding" and found)
        told.add(failed)
    assert told == {"", "encoding", "listed", "solvency"}


def test_both_compute_the_same_commitment_of_holdings_and_seed(market, package):
    good = read_package(package)
    stated, listed = good.statement, dict(good.commitments)
    for each in market.snapshot().accounts[:2]:
        full = complete_holdings(stated, each)
        bound = (stated.network, each.account, stated.epoch, stated.state_root, 0)
        seed = market.seeds()[each.account]
        assert committed(good.domain, full, seed, bound) == listed[each.account]
        assert committed(good.domain, full, seed, (*bound[:4], 1)) != listed[each.account]
