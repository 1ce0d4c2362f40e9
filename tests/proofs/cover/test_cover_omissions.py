"""The cover proof with each absorbed item left out: a fund that covers nothing is shown to cover, and what refuses it.

Rule: as in `test_transcript_omissions`. A quorum has certified, by mistake, that the fund lacks nothing; the accounts,
their proof, the book and the custody are in order, and the two largest members lack more than the fund.
"""

from functools import partial

import msgspec
import pytest

from proofs.algebra.commitment import commit
from proofs.algebra.group import encode_point
from proofs.algebra.srs import basis
from proofs.algebra.transcript import Transcript
from proofs.cover.prover import _Link, prove_cover
from proofs.cover.terms import BACKING_PROTOCOL, CoverParts, backing_statement, write_cover
from proofs.cover.terms import PROTOCOL as COVER
from proofs.cover.verifier import LINK_BYTES, begin_link, draw_weights
from proofs.cover.verifier import PROTOCOL as LINK
from proofs.epoch.package import read_package, write_package
from proofs.linear.prover import prove, random_scalar
from proofs.linear.statement import make_witness
from proofs.verify.package_verifier import verify_package
from tests.kit.proofs.cheated_cover import Forger, lying
from tests.kit.proofs.forgers.lattice import small_solution
from tests.kit.proofs.forgers.link import LinkForger
from tests.kit.proofs.forgers.weakened import leaving_out, passes_only_in, without_names_of_challenges
from tests.kit.proofs.stressed import LEVERED, MEMBERS, NETWORK, N, snapshot_of

NO_COVER = {"failed": "cover", "network": NETWORK}


@pytest.fixture(scope="module")
def liar():
    """Of accounts in order, it says too much of their fund."""
    shot = snapshot_of(LEVERED, MEMBERS, fund=10**9)
    assert all(shot.statement.cover[0].deficits)
    forger = Forger(shot)
    assert all(sum(sorted(losses)[-2:]) > forger.cover.terms.fund for losses in forger.owed())
    return forger


def test_a_cover_proof_of_what_is_not_so_does_not_come_out(market, liar):
    assert verify_package(liar.made(market), network=NETWORK).failed == "cover"


def committed_vectors(liar, values):
    """Witnesses of V_s with these values, all in range, and their commitments."""
    own = [make_witness(liar.cover.layout, each, 0, (random_scalar(), random_scalar())) for each in values]
    return own, tuple(encode_point(commit(basis(N), each.values, each.blinders)) for each in own)


def backing(liar, transcript):
    """The fund's account has what it says."""
    statement = backing_statement(liar.cover, liar.shown, dict(liar.commitments)[0], transcript)
    house = liar.by_account[0]
    return prove(statement, [make_witness(statement.layout, house.values, 0, house.blinders)])[0]


@pytest.mark.parametrize("item", ["C_G", "C_q", "G(omega zeta)", "pi_1", "pi_2"])
def test_without_one_message_of_the_link_a_fund_covers_members_who_lack_nothing_by_its_word(market, liar, item):
    """V_s says that nobody lacks anything, which is in range and in its row, and the link to the accounts is forged."""

    def cover(transcript):
        nothing = [[0] * len(liar.cover.layout.table.slots)] * liar.cover.stresses
        own, commitments = committed_vectors(liar, nothing)
        joint, after = prove(liar.cover.statement(commitments, transcript), own)
        link = LinkForger(liar.cover, own, liar.by_account, after).forge(item)
        return write_cover(CoverParts(commitments, joint, link, backing(liar, transcript)))

    passes_only_in(leaving_out(item, protocol=LINK), partial(liar.made, market, cover), **NO_COVER)


def fitting(liar, transcript):
    """V_s with x = t = 0 and such e_m in [0, 2^64) that the link closes, for the r and y of this transcript."""
    cover, members = liar.cover, len(liar.cover.members)
    weights = draw_weights(cover, begin_link(transcript))
    pairs = [(s, m) for s in range(cover.stresses) for m in range(members)]
    joint = [weights.of_stress[s] * weights.of_member[m] for s, m in pairs]
    losses = liar.owed()
    target = -sum(weight * losses[s][m] for weight, (s, m) in zip(joint, pairs, strict=True))
    found = dict(zip(pairs, small_solution(joint, target, 0, 2**64), strict=True))
    return [[*[0] * members, *(found[s, m] for m in range(members)), 0] for s in range(cover.stresses)]


def test_with_weights_of_the_link_known_before_the_vectors_a_lattice_makes_vectors_that_fit(market, liar):
    """Without its parent, r and y are constants; each e_m is a proper number of 64 bits, and all proofs are honest."""

    def cover(transcript):
        accounts = (liar.shown, liar.commitments, liar.witnesses)
        return prove_cover(*accounts, N, transcript, vectors=fitting(liar, transcript), check_witness=False)

    passes_only_in(leaving_out("parent", protocol=LINK), partial(liar.made, market, cover), **NO_COVER)


def test_with_one_weight_for_members_and_stresses_losses_move_from_one_to_another(market, liar):
    """Challenges that are drawn without their names are equal: r = y, and r^m·y^s tells only m + s.

    In the first stress only member 0 still lacks something; what member m + 1 lacked, member m lacks in the second.
    """
    first, second = liar.owed()
    moved = [[first[0], *[0] * (len(first) - 1)], [a + b for a, b in zip(second, [*first[1:], 0], strict=True)]]
    true, claimed = (
        tuple(max(0, sum(sorted(losses)[-2:]) - liar.cover.terms.fund) for losses in each)
        for each in ((first, second), moved)
    )
    assert claimed[0] < true[0]
    mover = Forger(liar.shot, lying(liar.shown, deficits=claimed))
    vectors = [least_vector(losses) for losses in moved]
    forge = partial(mover.made, market, vectors=vectors)
    passes_only_in(without_names_of_challenges(), forge, same_bytes="ranges_and_rows", **NO_COVER)


def least_vector(losses):
    """V_s for these losses: t is the second largest."""
    t = sorted(losses)[-2]
    x = [max(0, each - t) for each in losses]
    return [*x, *(t + beyond - each for beyond, each in zip(x, losses, strict=True)), t]


def test_with_weights_of_the_link_known_before_the_accounts_commit_they_overstate_until_it_fits(market, liar):
    """Without the package in the proof over the V_s, that proof comes first: r and y are known before any C_W.

    Accounts may overstate what they lack, so each has 63 bits to choose from; the whole package is proven afterwards.
    """
    cover = liar.cover
    members = len(cover.members)

    def forge():
        own, commitments = committed_vectors(liar, [[0] * members + [2**62] * members + [0]] * cover.stresses)
        joint, after = prove(cover.statement(commitments, Transcript("crossclear/test/v1")), own)
        weights = draw_weights(cover, begin_link(after))
        pairs = [(s, account) for s in range(cover.stresses) for account in cover.number_of]
        factors = [weights.of_stress[s] * weights.of_member[cover.number_of[account]] for s, account in pairs]
        wanted = -(2**62) * sum(y * r for y in weights.of_stress for r in weights.of_member)
        overstated: dict[int, dict[int, int]] = {account: {} for account in cover.number_of}
        for (s, account), loss in zip(pairs, small_solution(factors, wanted, 2**60, 2**63), strict=True):
            overstated[account][cover.uncovered[s]] = loss
        liars = Forger(liar.shot, account_lies=overstated)
        link = _Link(cover, own, liars.by_account, random_scalar, check=True).run(after)
        parts = (commitments, joint, link)
        return liars.made(market, lambda transcript: write_cover(CoverParts(*parts, backing(liars, transcript))))

    passes_only_in(leaving_out("parent", protocol=COVER), forge, **NO_COVER)


def test_without_the_package_in_the_backing_it_is_replayed_and_nothing_else(market):
    """The statement of the backing names C_W, the rows and the fund, so what is replayed is true all the same."""
    good = snapshot_of(LEVERED, MEMBERS)
    fine = Forger(good, good.statement)
    before_backing = 48 * fine.cover.stresses + fine.cover.proof_bytes + LINK_BYTES

    def moved():
        """A package with the backing that was made for another one."""
        one, two = (read_package(fine.made(market)) for _ in range(2))
        assert verify_package(write_package(two), network=NETWORK).ok
        cover = two.cover[:before_backing] + one.cover[before_backing:]
        return write_package(msgspec.structs.replace(two, cover=cover))

    passes_only_in(leaving_out("parent", protocol=BACKING_PROTOCOL), moved, **NO_COVER)
