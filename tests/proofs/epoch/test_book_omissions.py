"""The book's opening and the batch's weights with each absorbed item left out: the forgeries, and their refusal.

Rule: as in `test_transcript_omissions`, whose table has these items, too.
"""

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace

import msgspec
import pytest

from proofs.algebra.field import ORDER, inverse, scalar_bytes
from proofs.algebra.group import (
    GENERATOR,
    POINT_BYTES,
    Point,
    decode_point,
    encode_point,
    infinity,
    multi_scalar,
    multiply,
)
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
from tests.kit.proofs.forgers.linear import Forger, Forgery
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


def parent(name: str = "a") -> Transcript:
    """Stands for the transcript of the joint proof."""
    transcript = Transcript("crossclear/test/v1")
    transcript.append_bytes("joint", name.encode())
    return transcript


def committed(sums: Sequence[int], rho: tuple[int, int]) -> list[Point]:
    """Two commitments with these sums."""
    whole = multi_scalar([*POINTS.lagrange[: len(sums)], *POINTS.hiding[:2]], [*sums, *rho])
    other = multiply(GENERATOR, random_scalar())
    return [other, whole + -other]


def balanced(commitments: Sequence[Point], totals: Sequence[tuple[int, int]], data: bytes, name: str = "a") -> bool:
    try:
        verify_book(POINTS, AUXILIARY, totals, commitments, data, parent(name))
    except VerificationFailed as fault:
        assert fault.code is ProofCode.BOOK_NOT_MATCHED
        return False
    return True


def challenge_of(totals: Sequence[tuple[int, int]], announced: bytes, name: str = "a") -> int:
    return book_module._challenge(parent(name), AUXILIARY, totals, announced)


def test_an_honest_book_opens() -> None:
    rho = (random_scalar(), random_scalar())
    data = open_book(POINTS, AUXILIARY, TOTALS, (*rho, 40, 50), parent(), random_scalar)
    commitments = committed(SUMS, rho)
    assert balanced(commitments, TOTALS, data)
    assert not balanced(commitments, ((0, 701), *TOTALS[1:]), data)
    assert not balanced(commitments, TOTALS, data, "b")


def simulated(commitments: Sequence[Point], totals: Sequence[tuple[int, int]], e: int) -> bytes:
    """R and z for an e that is known before R, whatever the commitments sum to."""
    answers = [random_scalar() for _ in BASES]
    difference = infinity()
    for point in (*commitments, *(-multiply(POINTS.lagrange[slot], total) for slot, total in totals)):
        difference = difference + point
    announced = multi_scalar(BASES, answers) + -multiply(difference, e)
    return encode_point(announced) + b"".join(map(scalar_bytes, answers))


def test_without_r_a_whole_package_passes_whose_book_is_not_matched(market: SimpleNamespace) -> None:
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


def test_without_the_totals_a_book_passes_for_another_total() -> None:
    """R hides a multiple of [L_0]; the total that takes it up is found after e (and is no I64, by luck)."""
    rho, kept = (random_scalar(), random_scalar()), random_scalar()
    commitments, nonces = committed(SUMS, rho), [random_scalar() for _ in BASES]
    announced = encode_point(multi_scalar([*BASES, POINTS.lagrange[0]], [*nonces, kept]))
    with leaving_out("total"):
        e = challenge_of(TOTALS, announced)
        answers = [(nonce + e * x) % ORDER for nonce, x in zip(nonces, (*rho, 40, 50), strict=True)]
        totals = ((0, (700 + kept * inverse(e)) % ORDER), *TOTALS[1:])
        forged = announced + b"".join(map(scalar_bytes, answers))
        assert balanced(commitments, totals, forged)
    assert totals[0][1] != 700
    assert not balanced(commitments, totals, forged)


def test_without_the_link_to_the_joint_proof_commitments_are_chosen_after_the_opening() -> None:
    """Without the parent, e knows no C_W: their sum takes up what R hides, beside the total that is stated."""
    rho, kept = (random_scalar(), random_scalar()), random_scalar()
    nonces = [random_scalar() for _ in BASES]
    announced = encode_point(multi_scalar([*BASES, POINTS.lagrange[0]], [*nonces, kept]))
    with leaving_out("parent"):
        e = challenge_of(TOTALS, announced)
        answers = [(nonce + e * x) % ORDER for nonce, x in zip(nonces, (*rho, 40, 50), strict=True)]
        sums = ((700 - kept * inverse(e)) % ORDER, *SUMS[1:])
        commitments = committed(sums, rho)
        forged = announced + b"".join(map(scalar_bytes, answers))
        assert balanced(commitments, TOTALS, forged, "any")
    assert sums[0] != TOTALS[0][1]
    assert not balanced(commitments, TOTALS, forged, "any")


def test_without_the_link_one_packages_opening_passes_beside_another_joint_proof() -> None:
    rho = (random_scalar(), random_scalar())
    commitments = committed(SUMS, rho)
    with leaving_out("parent"):
        data = open_book(POINTS, AUXILIARY, TOTALS, (*rho, 40, 50), parent("a"), random_scalar)
        assert balanced(commitments, TOTALS, data, "b")
    assert not balanced(commitments, TOTALS, data, "b")


def test_without_the_protocol_an_opening_given_to_another_program_passes_for_a_book(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An auditor who was shown that somebody knows the sums shows it as his own book."""
    rho = (random_scalar(), random_scalar())
    commitments = committed(SUMS, rho)

    def opened() -> bytes:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(book_module, "PROTOCOL", "crossclear/audit/v1")
            return open_book(POINTS, AUXILIARY, TOTALS, (*rho, 40, 50), parent(), random_scalar)

    with without_protocol():
        data = opened()
        assert balanced(commitments, TOTALS, data)
    assert not balanced(commitments, TOTALS, data)
    assert not balanced(commitments, TOTALS, opened())


@pytest.mark.parametrize("item", ["slot", "auxiliary"])
def test_slots_of_the_book_left_out_alone_admit_no_other_book(item: str) -> None:
    """For each slot at most n values of e would do, so choosing slots after e gains a factor of n² ≤ 2^22 over 1/p."""
    rho, kept = (random_scalar(), random_scalar()), random_scalar()
    commitments, nonces = committed(SUMS, rho), [random_scalar() for _ in BASES]
    announced = encode_point(multi_scalar([*BASES, POINTS.lagrange[0]], [*nonces, kept]))
    with leaving_out(item):
        e = challenge_of(TOTALS, announced)
        answers = [(nonce + e * x) % ORDER for nonce, x in zip(nonces, (*rho, 40, 50), strict=True)]
        forged = announced + b"".join(map(scalar_bytes, answers))
        for first in range(6):
            for third in range(6):
                if first != third:
                    moved = sorted({0: 0, 1: 0, 2: 0, 3: 0, first: 700, third: -3}.items())
                    assert not balanced(commitments, moved, forged)


def shifted(forgery: Forgery, by: int) -> Forgery:
    statement, data = forgery
    proof = read_proof(data, 1, 1)
    pi_1 = encode_point(decode_point(proof.pi_1, "pi_1") + multiply(GENERATOR, by % ORDER))
    assert len(pi_1) == POINT_BYTES
    return statement, write_proof(replace(proof, pi_1=pi_1))


def two_false(weights: tuple[int, int]) -> list[Forgery]:
    """Two proofs of a negative token, each wrong by its own error, which cancel under these weights.

    π_1 + x·[1] changes the error L(ζ) by −x·(X − ζ): one x takes up the constants, and the two slopes cancel.
    """
    forgers = [Forger(LAYOUT, [(-1,)]) for _ in range(2)]
    forgeries = [forger.forge("nothing") for forger in forgers]
    constants = sum(weight * forger.error for weight, forger in zip(weights, forgers, strict=True))
    x = -constants * inverse(weights[0] * weights[1] * (forgers[0].zeta - forgers[1].zeta)) % ORDER
    return [shifted(forgeries[0], weights[1] * x), shifted(forgeries[1], -weights[0] * x)]


def bad(claims: Sequence[Forgery]) -> list[int]:
    return [index for index, verdict in enumerate(verify_batch(claims)) if verdict is not None]


def test_without_the_proofs_in_the_weights_two_false_proofs_cancel() -> None:
    with leaving_out("mu"):
        known = Transcript(BATCH).challenge("weight") % (1 << WEIGHT_BITS)
        pair = two_false((1, known))
        assert bad(pair) == []
    assert bad(pair) == [0, 1]
    assert bad([pair[0], honest(), pair[1]]) == [0, 2]


def test_with_the_same_weight_for_several_proofs_two_false_ones_cancel() -> None:
    """Weights that are drawn without their name would be equal from the second one on."""
    with without_names_of_challenges():
        claims = [honest(), *two_false((1, 1))]
        assert bad(claims) == []
    good = honest()
    assert bad([good, *two_false((1, 1))]) == [1, 2]
    assert bad(two_false((1, 1))) == [0, 1]
