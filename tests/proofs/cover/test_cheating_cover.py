"""A fund that does not cover its two largest members, shown as if it did, by a prover whose quorum plays along."""

import msgspec
import pytest

from proofs.algebra.field import ORDER, inverse
from proofs.algebra.group import encode_point, infinity
from proofs.cover.prover import prove_cover
from proofs.epoch.package import read_package, write_package
from proofs.epoch.prover import commit_epoch
from proofs.errors import ProofCode
from proofs.verify.package_verifier import verify_package
from proofs.verify.verdict import Verdict
from tests.kit.proofs.cheated_cover import ForgedLink, Forger, lying
from tests.kit.proofs.cheated_package import signed_anew
from tests.kit.proofs.stressed import LEVERED, MEMBERS, N, seeds_of, snapshot_of

replace = msgspec.structs.replace
SMALL = 10**9
"""Less than the two largest lack, in either scenario."""


@pytest.fixture(scope="module")
def short():
    """The true snapshot: the fund lacks something in both scenarios, and says so."""
    shot = snapshot_of(LEVERED, MEMBERS, fund=SMALL)
    assert all(shot.statement.cover[0].deficits)
    return shot


def refused(market, forger: Forger, **options) -> Verdict:
    verdict = verify_package(forger.made(market, **options))
    assert verdict.failed == "cover", verdict.checks[-1]
    return verdict


def test_the_forger_passes_where_it_tells_the_truth(market, short):
    verdict = verify_package(Forger(short, short.statement).made(market))
    assert verdict.ok, verdict.checks[-1]
    assert "short by" in next(check.detail for check in verdict.checks if check.name == "cover")


def test_a_deficit_that_is_not_listed_is_refused(market, short):
    refused(market, Forger(short))


@pytest.mark.parametrize("at", [0, 1])
def test_a_deficit_that_is_listed_too_small_by_one_is_refused(market, short, at):
    deficits = list(short.statement.cover[0].deficits)
    deficits[at] -= 1
    refused(market, Forger(short, lying(short.statement, deficits=tuple(deficits))))


def nothing_lacks(owed):
    return [*[0] * (2 * len(owed) + 1)]


def excess_below_zero(owed):
    return [*[0] * len(owed), *(-each for each in owed), 0]


def beyond_below_zero(owed):
    return [*(each - max(owed) for each in owed), *[0] * len(owed), max(owed)]


def threshold_below_zero(owed):
    """t = −T and x = U + T: 2t + Σx is ΣU + (M − 2)T, which with x too is bent until it fits."""
    return [*(each + 10**10 - ORDER for each in owed), *[0] * len(owed), -(10**10)]


def halves(owed):
    half = inverse(2)
    return [*((each - half) % ORDER for each in owed), *[0] * len(owed), half]


def only_the_largest(owed):
    """t of the largest loss: nothing is beyond it, and 2t is counted once."""
    t = max(owed) // 2
    return [*(max(0, each - 2 * t) for each in owed), *(max(0, 2 * t - each) for each in owed), t]


def of_the_smallest_two(owed):
    t, *_ = sorted(owed)
    return [*[0] * len(owed), *(t - each for each in owed), t]


@pytest.mark.parametrize(
    "lie",
    [
        nothing_lacks,
        excess_below_zero,
        beyond_below_zero,
        threshold_below_zero,
        halves,
        only_the_largest,
        of_the_smallest_two,
    ],
)
def test_no_vector_shows_that_a_small_fund_covers(market, short, lie):
    forger = Forger(short)
    verdict = refused(market, forger, vectors=[lie(owed) for owed in forger.owed()])
    assert verdict.checks[-1].code in (ProofCode.PROOF_REFUSED, ProofCode.FUND_NOT_COVERED)


def test_of_one_member_a_threshold_below_zero_would_pay_everything_and_is_refused(market):
    """2t + x = U + t: with t free to be negative, any fund would do."""
    shot = snapshot_of({1: LEVERED[1], 2: LEVERED[2]}, {1: 11, 2: 11}, fund=SMALL)
    forger = Forger(shot)
    (owed,), *_ = forger.owed()
    assert owed > SMALL
    refused(market, forger, vectors=[[each + 10**11, 0, -(10**11)] for (each,) in forger.owed()])


@pytest.mark.parametrize("way", ["remainder", "spread", "evaluation"])
def test_vectors_that_are_not_the_accounts_are_not_linked_to_them(market, short, way):
    """All their ranges and their row hold: nobody lacks anything. Only the link says whose losses they are."""
    forger = Forger(short)
    verdict = refused(market, forger, cover=ForgedLink(forger, way))
    assert verdict.checks[-1].code is ProofCode.FUND_NOT_COVERED


@pytest.mark.parametrize("way", ["remainder", "spread", "evaluation"])
def test_the_forged_link_links_what_is_true(market, way):
    """The control: where nobody lacks anything the same prover passes."""
    shot = snapshot_of({1: (10**10, 0, 0, 0, 0), 2: (10**9, 0, 0, 0, 0)}, {}, fund=SMALL)
    forger = Forger(shot)
    assert forger.owed() == [[0, 0], [0, 0]]
    assert verify_package(forger.made(market, cover=ForgedLink(forger, way))).ok


def test_losses_that_accounts_understate_are_refused_as_ranges_and_rows(market, short):
    """u is at least what the stress row says; less is false already in the accounts' own proof."""
    forger = Forger(short)
    slots = forger.cover.uncovered
    for account in (1, 3):
        values = forger.by_account[account].values
        slot = next(slot for slot in slots if values[slot])
        for lower in (0, values[slot] - 1, -1, inverse(2)):
            lie = Forger(short, account_lies={account: {slot: lower}})
            assert verify_package(lie.made(market)).failed == "ranges_and_rows"


def test_a_loss_that_is_overstated_only_needs_a_larger_fund(market, short):
    forger = Forger(short, short.statement)
    slot = forger.cover.uncovered[0]
    more = forger.by_account[1].values[slot] + 10**6
    lie = Forger(short, short.statement, account_lies={1: {slot: more}})
    refused(market, lie)
    listed = (short.statement.cover[0].deficits[0] + 10**6, short.statement.cover[0].deficits[1])
    liar = Forger(short, lying(short.statement, deficits=listed), account_lies={1: {slot: more}})
    assert verify_package(liar.made(market)).ok


@pytest.mark.parametrize("cash", [10**11, 5 * 10**10])
def test_a_fund_that_its_account_does_not_hold_is_refused(market, short, cash):
    """The size of the fund is told; that it is there is shown by the backing, in cash and in every stress scenario."""
    shot = snapshot_of({0: (cash, 0, 0, 0, 0), **LEVERED}, MEMBERS, fund=SMALL)
    for fund in (cash + 1, 2**62):
        verdict = refused(market, Forger(shot, lying(shot.statement, fund=fund)))
        assert verdict.checks[-1].code is ProofCode.PROOF_REFUSED
    forger = Forger(shot, lying(shot.statement, fund=10**12))

    def of_another(transcript):
        """The backing of a richer account, or of a smaller fund."""
        smaller = Forger(shot, lying(shot.statement, fund=SMALL))
        data = prove_cover(smaller.shown, smaller.commitments, smaller.witnesses, N, transcript, check_witness=False)
        own = prove_cover(forger.shown, forger.commitments, forger.witnesses, N, transcript, check_witness=False)
        return own[: len(own) - 448] + data[len(data) - 448 :]

    refused(market, forger, cover=of_another)


def test_accounts_and_members_are_named_once_each(market, short):
    terms = short.statement.cover[0]
    members = terms.members
    for changes in (
        {"members": members[1:]},
        {"members": (*members, (99, 12))},
        {"members": (*members, members[-1])},
        {"members": members[::-1]},
        {"members": ((0, 10), *members)},
        {"fund_account": 77},
        {"fund_account": 1},
        {"deficits": ()},
        {"deficits": (0,)},
        {"deficits": (0, 0, 0)},
    ):
        forger = Forger(short)
        forger.shown = lying(short.statement, **changes)
        verdict = verify_package(forger.made(market, cover=lambda _: bytes(1200)))
        assert verdict.failed == "cover", (changes, verdict.checks[-1])
        assert verdict.checks[-1].code is ProofCode.BAD_STATEMENT, changes


@pytest.fixture(scope="module")
def good(market, short):
    """An honest package of the fund that lacks something, and says so."""
    return read_package(Forger(short, short.statement).made(market))


def test_a_cover_proof_left_out_cut_exchanged_or_of_another_package_is_refused(market, short, good):
    other, proof = read_package(Forger(short, short.statement).made(market)), good.cover
    exchanged = proof[48:96] + proof[:48] + proof[96:]  # the vectors of two scenarios
    for cover in (b"", proof[:-1], proof + b"\0", proof[448:], other.cover, bytes(len(proof)), exchanged):
        assert verify_package(write_package(replace(good, cover=cover))).failed == "cover"


@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize("data", [encode_point(infinity()), bytes([0x80]) + bytes(47), bytes(48)])
def test_a_vector_committed_to_as_no_point_is_refused(good, at, data):
    cover = good.cover[: 48 * at] + data + good.cover[48 * (at + 1) :]
    verdict = verify_package(write_package(replace(good, cover=cover)))
    assert (verdict.failed, verdict.checks[-1].code) == ("cover", ProofCode.BAD_POINT)


@pytest.mark.parametrize("name", ["stress:crash", "stress:rally"])
def test_a_stress_scenario_left_out_of_the_statement_is_refused_as_statement(market, good, name):
    rows = tuple(row for row in good.statement.rows if row.name != name)
    assert len(rows) == len(good.statement.rows) - 1
    forged = signed_anew(market, replace(good, statement=replace(good.statement, rows=rows)))
    assert verify_package(forged).failed == "statement"


def test_commitments_are_those_of_the_snapshot(short):
    """The forger above commits as the network does."""
    forger = Forger(short, short.statement)
    assert forger.commitments == commit_epoch(short, seeds_of([each.account for each in short.accounts]), N)
