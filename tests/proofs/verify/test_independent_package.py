"""Whole packages before both verifiers: the fast one and a slow one, written from the notes, say the same by name.

With CROSSCLEAR_COMPLETE=1 every package that a test of this folder verifies is shown to the slow one too.
"""

import msgspec
import pytest

from clearing.base.codec import u256
from clearing.margin.statement.snapshot import PublicTotal
from proofs.epoch.package import attach_custody, read_package, write_package
from proofs.statement.arithmetization import complete_holdings
from proofs.verify.package_verifier import verify_package
from proofs.verify.standalone import verify_standalone
from proofs.verify.standalone_prover import prove_account
from proofs.verify.verdict import OwnAccount
from tests.kit.proofs.cheated_cover import Forger
from tests.kit.proofs.cheated_package import signed_anew
from tests.kit.proofs.counted import VECTORS
from tests.kit.proofs.proven_custody import proven
from tests.kit.proofs.slow_package import committed, failed_check, failed_standalone
from tests.kit.proofs.stressed import LEVERED, MEMBERS, snapshot_of

replace = msgspec.structs.replace
BOOK = {account: LEVERED[account] for account in (1, 2, 3)}


def agreed(data: bytes) -> str:
    """The check that fails for both, empty when both accept."""
    found = verify_package(data).failed or ""
    assert failed_check(data) == found
    return found


def test_the_slow_verifier_accepts_every_frozen_proof_of_one_account():
    """Packages: `test_frozen_proofs.py`."""
    assert list(VECTORS.glob("*.ccs"))
    for path in VECTORS.glob("*.ccs"):
        assert failed_standalone(path.read_bytes(), (VECTORS / "three-accounts.ccp").read_bytes()) == "", path.name


def bent(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def stating(market, package: bytes, **changes) -> bytes:
    good = read_package(package)
    stated = replace(good, statement=replace(good.statement, **changes))
    return signed_anew(market, stated, commitments_height=good.statement.height)


def test_both_accept_an_honest_package(package):
    assert agreed(package) == ""


def test_both_find_the_same_check_for_bytes_that_changed(package):
    seen = {agreed(package[:-1]), agreed(package + b"\0"), agreed(b"")}
    for place in range(7, len(package), len(package) // 13):
        seen.add(agreed(bent(package, place)))
    assert seen >= {"encoding", "certificate", "roots"}
    assert "" not in seen


def test_both_find_the_same_check_for_a_proof_or_book_that_changed(market, package):
    good = read_package(package)
    for changes, check in (
        ({"proof": bent(good.proof, 127)}, "ranges_and_rows"),
        ({"proof": good.proof[:-1]}, "sizes"),
        ({"book": bent(good.book, 79)}, "matched_book"),
        ({"book": good.book + bytes(32)}, "sizes"),
        ({"cover": b"x"}, "cover"),
        ({"cover": bytes(1 << 14)}, "sizes"),
        ({"house": b"x"}, "sizes"),
        ({"srs": bytes(32)}, "statement"),
    ):
        assert agreed(write_package(replace(good, **changes))) == check
    twice = (*good.commitments[:2], good.commitments[1])
    assert agreed(signed_anew(market, replace(good, commitments=twice))) == "roots"


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
    first, nodes = evidence[0], evidence[0].nodes
    for changes in (
        {"nodes": nodes[:-1]},
        {"nodes": (*nodes, b"\xc0")},
        {"nodes": nodes[::-1]},
        {"nodes": (b"", *nodes[1:])},
        {"header": first.header[:-1]},
    ):
        assert agreed(attach_custody(data, (replace(first, **changes), *evidence[1:]))) == "custody"
    term = statement.custody[0]
    more = {name: u256(int.from_bytes(getattr(term, name), "big") + 9) for name in ("deposited", "later", "balance")}
    false = replace(statement, custody=(replace(term, **more), *statement.custody[1:]))
    data = market.honest(replace(market.snapshot(), statement=false))
    assert agreed(data) == ""
    assert agreed(attach_custody(data, evidence)) == "custody"


# The default fund.


@pytest.fixture(scope="module")
def covered(market) -> bytes:
    return market.honest(snapshot_of(BOOK, MEMBERS))


def test_both_accept_a_fund_that_covers_and_one_that_says_by_how_much_it_does_not(market, covered):
    assert agreed(covered) == ""
    short = snapshot_of(BOOK, MEMBERS, fund=10**9)
    assert any(short.statement.cover[0].deficits)
    assert agreed(market.honest(short)) == ""


def test_both_refuse_a_fund_that_hides_what_it_lacks(market):
    assert agreed(Forger(snapshot_of(BOOK, MEMBERS, fund=10**9)).made(market)) == "cover"


def test_both_find_a_cover_proof_that_changed_anywhere(covered):
    good = read_package(covered)
    for place in range(20, len(good.cover), len(good.cover) // 5):
        assert agreed(write_package(replace(good, cover=bent(good.cover, place)))) == "cover"
    for other in (b"", good.cover[:-1], good.cover + b"\0"):
        assert agreed(write_package(replace(good, cover=other))) == "cover"


# One account.


def test_both_judge_proofs_of_one_account_alike(market, package):
    own = OwnAccount(1, dict(market.HOLDINGS)[1], market.seeds()[1], market.owner(1))
    good = prove_account(read_package(package), own)
    joint = read_package(package)
    other = dict(joint.commitments)[5]
    names = set()
    for data in (
        good,
        good[:-1],
        b"ccs\x02" + good[4:],
        good[:4] + other + good[52:],
        good[:4] + bytes(48) + good[52:],
        *(bent(good, at) for at in range(60, len(good), 130)),
    ):
        failed = verify_standalone(data, package).failed or ""
        found = failed_standalone(data, package)
        assert found == failed or (failed == "encoding" and found)
        names.add(failed)
    assert names == {"", "encoding", "listed", "solvency"}


def test_both_compute_the_same_commitment_of_holdings_and_seed(market, package):
    good = read_package(package)
    stated, listed = good.statement, dict(good.commitments)
    for each in market.snapshot().accounts[:2]:
        full = complete_holdings(stated, each)
        bound = (stated.network, each.account, each.owner, stated.epoch, stated.state_root)
        seed = market.seeds()[each.account]
        assert committed(good.domain, full, seed, (*bound, 0)) == listed[each.account]
        assert committed(good.domain, full, seed, (*bound, 1)) != listed[each.account]
