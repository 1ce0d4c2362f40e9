"""The book's opening and the batch's weights with each absorbed item left out: the forgeries, and their refusal.

Rule: as in `test_transcript_omissions`, whose table has these items, too.
"""

from dataclasses import replace
from itertools import permutations

import msgspec
import pytest

from proofs.algebra.field import ORDER, inverse, scalar_bytes
from proofs.algebra.group import GENERATOR, POINT_BYTES, decode_point, encode_point, infinity, multi_scalar, multiply
from proofs.algebra.srs import basis
from proofs.algebra.transcript import Transcript
from proofs.epoch import matched_book as book_module
from proofs.epoch.matched_book import open_book, verify_book
from proofs.epoch.package import linear_statement, read_package, write_package
from proofs.errors import ProofCode, VerificationFailed
from proofs.linear.layout import RowRange, SlotRange, lay_out
from proofs.linear.messages import read_proof, write_proof
from proofs.linear.prover import random_scalar
from proofs.linear.verifier import PROTOCOL as BATCH
from proofs.linear.verifier import WEIGHT_BITS, verify, verify_batch
from proofs.statement.arithmetization import auxiliary_slots
from proofs.verify.package_verifier import verify_package
from tests.kit.proofs.forgers.linear import Forger
from tests.kit.proofs.forgers.weakened import leaving_out, without_names_of_challenges, without_protocol
from tests.kit.proofs.omissions import honest

N = 256
POINTS = basis(N)
AUXILIARY = (4, 5)
BASES = [*POINTS.hiding[:2], *(POINTS.lagrange[slot] for slot in AUXILIARY)]
SUMS = (700, 0, 0, -3, 40, 50)
"""What the slots of all accounts sum to, the auxiliary ones last."""
TOTALS = ((0, 700), (1, 0), (2, 0), (3, -3))
LAYOUT = lay_out(N, (SlotRange(7, 0),), (RowRange(8, ((0, 1),), 0, shortfall=False),))


def parent(name="a"):
    """Stands for the transcript of the joint proof."""
    transcript = Transcript("crossclear/test/v1")
    transcript.append_bytes("joint", name.encode())
    return transcript


def committed(sums, rho):
    """Two commitments with these sums."""
    whole = multi_scalar([*POINTS.lagrange[: len(sums)], *POINTS.hiding[:2]], [*sums, *rho])
    other = multiply(GENERATOR, random_scalar())
    return [other, whole + -other]


def balanced(commitments, totals, data, name="a"):
    try:
        verify_book(POINTS, AUXILIARY, totals, commitments, data, parent(name))
    except VerificationFailed as fault:
        assert fault.code is ProofCode.BOOK_NOT_MATCHED
        return False
    return True


@pytest.fixture
def rho():
    """The sums of the accounts' blinders."""
    return random_scalar(), random_scalar()


def opened(rho, name="a"):
    return open_book(POINTS, AUXILIARY, TOTALS, (*rho, 40, 50), parent(name), random_scalar)


def test_an_honest_book_opens(rho):
    data, commitments = opened(rho), committed(SUMS, rho)
    assert balanced(commitments, TOTALS, data)
    assert not balanced(commitments, ((0, 701), *TOTALS[1:]), data)
    assert not balanced(commitments, TOTALS, data, "b")


def simulated(commitments, totals, e):
    """R and z for an e that is known before R, whatever the commitments sum to."""
    answers = [random_scalar() for _ in BASES]
    difference = infinity()
    for point in (*commitments, *(-multiply(POINTS.lagrange[slot], total) for slot, total in totals)):
        difference = difference + point
    announced = multi_scalar(BASES, answers) + -multiply(difference, e)
    return encode_point(announced) + b"".join(map(scalar_bytes, answers))


def test_without_r_a_whole_package_passes_whose_book_is_not_matched(market):
    """One lot that nobody is short of: ranges and rows are proven, the totals say zero, and the opening is made up."""
    cheat = market.Cheat(market.snapshot())
    data = cheat.package(cheat.witnesses({1: {market.BTC: -1}}))
    with leaving_out("R"):
        package = read_package(data)
        linear = linear_statement(package.statement, package.commitments, package.domain)
        auxiliary = auxiliary_slots(package.statement)
        totals = [(total.slot, total.total) for total in package.statement.totals]
        e = book_module._challenge(verify(linear, package.proof), auxiliary, totals, b"")
        commitments = [decode_point(commitment, "C_W") for _, commitment in package.commitments]
        assert auxiliary == AUXILIARY
        made_up = simulated(commitments, totals, e)
        forged = write_package(msgspec.structs.replace(package, book=made_up))
        assert verify_package(data).failed == "matched_book"
        assert verify_package(forged).ok
    assert verify_package(forged).failed == "matched_book"


def opened_beside(rho):
    """An opening whose R hides a multiple of [L_0], too: e and that multiple over e."""
    nonces, kept = [random_scalar() for _ in BASES], random_scalar()
    announced = encode_point(multi_scalar([*BASES, POINTS.lagrange[0]], [*nonces, kept]))
    e = book_module._challenge(parent(), AUXILIARY, TOTALS, announced)
    answers = [(nonce + e * x) % ORDER for nonce, x in zip(nonces, (*rho, 40, 50), strict=True)]
    return announced + b"".join(map(scalar_bytes, answers)), kept * inverse(e)


def test_without_the_totals_a_book_passes_for_another_total(rho):
    """The total that takes up what R hides is found after e (and is no I64, by luck)."""
    commitments = committed(SUMS, rho)
    with leaving_out("total"):
        forged, beside = opened_beside(rho)
        totals = ((0, (700 + beside) % ORDER), *TOTALS[1:])
        assert balanced(commitments, totals, forged)
    assert totals[0][1] != 700
    assert not balanced(commitments, totals, forged)


def test_without_the_link_to_the_joint_proof_commitments_are_chosen_after_the_opening(rho):
    """Without the parent, e knows no C_W: their sum takes up what R hides, beside the total that is stated."""
    with leaving_out("parent"):
        forged, beside = opened_beside(rho)
        sums = ((700 - beside) % ORDER, *SUMS[1:])
        commitments = committed(sums, rho)
        assert balanced(commitments, TOTALS, forged, "any")
    assert sums[0] != TOTALS[0][1]
    assert not balanced(commitments, TOTALS, forged, "any")


def test_without_the_link_one_packages_opening_passes_beside_another_joint_proof(rho):
    commitments = committed(SUMS, rho)
    with leaving_out("parent"):
        data = opened(rho)
        assert balanced(commitments, TOTALS, data, "b")
    assert not balanced(commitments, TOTALS, data, "b")


def test_without_the_protocol_an_opening_given_to_another_program_passes_for_a_book(rho):
    """An auditor who was shown that somebody knows the sums shows it as his own book."""
    commitments = committed(SUMS, rho)

    def opened_elsewhere():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(book_module, "PROTOCOL", "crossclear/audit/v1")
            return opened(rho)

    with without_protocol():
        data = opened_elsewhere()
        assert balanced(commitments, TOTALS, data)
    assert not balanced(commitments, TOTALS, data)
    assert not balanced(commitments, TOTALS, opened_elsewhere())


@pytest.mark.parametrize("item", ["slot", "auxiliary"])
def test_slots_of_the_book_left_out_alone_admit_no_other_book(rho, item):
    """For each slot at most n values of e would do, so choosing slots after e gains a factor of n² ≤ 2^22 over 1/p."""
    commitments = committed(SUMS, rho)
    with leaving_out(item):
        forged, _ = opened_beside(rho)
        for first, third in permutations(range(6), 2):
            moved = sorted({0: 0, 1: 0, 2: 0, 3: 0, first: 700, third: -3}.items())
            assert not balanced(commitments, moved, forged)


def shifted(forgery, by):
    statement, data = forgery
    proof = read_proof(data, 1, 1)
    pi_1 = encode_point(decode_point(proof.pi_1, "pi_1") + multiply(GENERATOR, by % ORDER))
    assert len(pi_1) == POINT_BYTES
    return statement, write_proof(replace(proof, pi_1=pi_1))


def two_false(weights):
    """Two proofs of a negative token, each wrong by its own error, which cancel under these weights.

    π_1 + x·[1] changes the error L(ζ) by −x·(X − ζ): one x takes up the constants, and the two slopes cancel.
    """
    forgers = [Forger(LAYOUT, [(-1,)]) for _ in range(2)]
    forgeries = [forger.forge("nothing") for forger in forgers]
    constants = sum(weight * forger.error for weight, forger in zip(weights, forgers, strict=True))
    x = -constants * inverse(weights[0] * weights[1] * (forgers[0].zeta - forgers[1].zeta)) % ORDER
    return [shifted(forgeries[0], weights[1] * x), shifted(forgeries[1], -weights[0] * x)]


def bad(claims):
    return [index for index, verdict in enumerate(verify_batch(claims)) if verdict is not None]


def test_without_the_proofs_in_the_weights_two_false_proofs_cancel():
    with leaving_out("mu"):
        known = Transcript(BATCH).challenge("weight") % (1 << WEIGHT_BITS)
        pair = two_false((1, known))
        assert bad(pair) == []
    assert bad(pair) == [0, 1]
    assert bad([pair[0], honest(), pair[1]]) == [0, 2]


def test_with_the_same_weight_for_several_proofs_two_false_ones_cancel():
    """Weights that are drawn without their name would be equal from the second one on."""
    with without_names_of_challenges():
        claims = [honest(), *two_false((1, 1))]
        assert bad(claims) == []
    good = honest()
    assert bad([good, *two_false((1, 1))]) == [1, 2]
    assert bad(two_false((1, 1))) == [0, 1]
