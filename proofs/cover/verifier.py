"""The verifier of the cover proof, and the link that ties it to the accounts' commitments.

Rule: pure. It runs after the joint proof of the accounts was accepted, whose transcript it continues and whose ranges
it relies on: slots u_s lie in [0, 2^64) and at or above the uncovered loss of each account. It checks the joint proof
over the V_s, the link, and the backing of the fund. The link states that Σ_m r^m (x_m + t − e_m) in V_s is Σ_m r^m
U_m in the accounts' commitments, for every stress scenario s.

r and y are drawn after every V_s and C_W is fixed. With V = Σ_s y^s V_s, K = Σ_k r^m(k) W_k, a public on H with
r^m at x_m, −r^m at e_m and Σ r^m at t, and b with y^s at the slot u_s, the sum of aV − bK over H must be zero; the
running sum G proves it: G(ωX) − G(X) = aV − bK on H, which closes round H only then. Only G is opened, once, at ωζ:
Lz = Ḡ − G − āV + b̄K − Z_H(ζ)q must vanish at ζ, where q = (G(ωX) − G(X) − aV + bK) / Z_H has degree n at most.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clearing.margin.statement.snapshot import RiskStatement
from proofs.algebra.domain import domain_of
from proofs.algebra.field import ORDER, SCALAR_BYTES, powers, read_scalar
from proofs.algebra.group import (
    GENERATOR,
    GENERATOR_2,
    POINT_BYTES,
    Point,
    decode_point,
    multi_scalar,
    multiply,
    pairings_equal,
)
from proofs.algebra.srs import tau_g2
from proofs.algebra.transcript import Transcript
from proofs.cover.terms import CoverStatement, backing_statement, cover_of, read_cover
from proofs.errors import ProofCode, VerificationFailed
from proofs.linear.messages import TAIL_BYTES, part_bytes
from proofs.linear.verifier import verify

PROTOCOL = "crossclear/cover-link/v1"
LINK_BYTES = 4 * POINT_BYTES + SCALAR_BYTES


@dataclass(frozen=True)
class LinkWeights:
    """The weights of members and scenarios under the challenges r and y."""

    a: tuple[int, ...]
    """By position of V."""
    b: Mapping[int, int]
    """By slot of K."""
    of_stress: tuple[int, ...]
    """y^s, the weight of V_s in V."""
    of_member: tuple[int, ...]
    """r^m by member number."""


def begin_link(transcript: Transcript) -> Transcript:
    """The link's own transcript; `transcript` has absorbed the proof over the V_s, and with it everything before."""
    return transcript.fork(PROTOCOL)


def draw_weights(cover: CoverStatement, own: Transcript) -> LinkWeights:
    """Draw r and y."""
    r, y = own.challenge("r"), own.challenge("y")
    of_member, of_stress = powers(r, len(cover.members)), powers(y, cover.stresses)
    a = (*of_member, *(-weight % ORDER for weight in of_member), sum(of_member) % ORDER)
    b = dict(zip(cover.uncovered, of_stress, strict=True))
    return LinkWeights(a, b, tuple(of_stress), tuple(of_member))


def after_running_sum(own: Transcript, c_g: bytes, c_q: bytes) -> int:
    """ζ, after both commitments."""
    own.append_encoded_point("C_G", c_g)
    own.append_encoded_point("C_q", c_q)
    return own.challenge("zeta")


def after_openings(own: Transcript, g_bar: int, pi_1: bytes, pi_2: bytes) -> int:
    """μ, which joins the two openings; after both of them."""
    own.append_scalar("G(omega zeta)", g_bar)
    own.append_encoded_point("pi_1", pi_1)
    own.append_encoded_point("pi_2", pi_2)
    return own.challenge("mu")


def public_values(cover: CoverStatement, weights: LinkWeights, zeta: int) -> tuple[int, int]:
    """(ā, b̄) at ζ."""
    used = max(len(weights.a), 1 + max(cover.uncovered))
    lagrange = domain_of(cover.size).lagrange(zeta, used)
    a_bar = sum(map(int.__mul__, weights.a, lagrange))
    b_bar = sum(weight * lagrange[slot] for slot, weight in weights.b.items())
    return a_bar % ORDER, b_bar % ORDER


def verify_link(
    cover: CoverStatement,
    vectors: Sequence[Point],
    accounts: Mapping[int, Point],
    data: bytes,
    transcript: Transcript,
) -> None:
    """Check the link of the V_s `vectors` to the C_W of `accounts`.

    Raises VerificationFailed FUND_NOT_COVERED, and what decoding raises.
    """
    if len(data) != LINK_BYTES:
        raise VerificationFailed(ProofCode.BAD_LENGTH, "cover link", bytes=len(data))
    own = begin_link(transcript)
    weights = draw_weights(cover, own)
    c_g, c_q, tail = data[:POINT_BYTES], data[POINT_BYTES : 2 * POINT_BYTES], data[2 * POINT_BYTES :]
    g_bar = read_scalar(tail[:SCALAR_BYTES], "Ḡ")
    opened = tail[SCALAR_BYTES : SCALAR_BYTES + POINT_BYTES], tail[SCALAR_BYTES + POINT_BYTES :]
    zeta = after_running_sum(own, c_g, c_q)
    mu = after_openings(own, g_bar, *opened)
    domain = domain_of(cover.size)
    a_bar, b_bar = public_values(cover, weights, zeta)
    pi_1, pi_2 = (decode_point(data, name) for data, name in zip(opened, ("pi_1", "pi_2"), strict=True))
    # The terms of [Lz] + ζπ_1 + μ([G] − Ḡ + ωζπ_2), Lz written out.
    points = [decode_point(c_g, "C_G"), decode_point(c_q, "C_q"), pi_1, pi_2, GENERATOR]
    scalars = [mu - 1, -domain.vanishing(zeta), zeta, mu * domain.omega * zeta, (1 - mu) * g_bar]
    points += vectors
    scalars += [-a_bar * weight for weight in weights.of_stress]
    points += [accounts[account] for account in cover.number_of]
    scalars += [b_bar * weights.of_member[number] for number in cover.number_of.values()]
    right = multi_scalar(points, [scalar % ORDER for scalar in scalars])
    if not pairings_equal(pi_1 + multiply(pi_2, mu), tau_g2(), right, GENERATOR_2):
        raise VerificationFailed(ProofCode.FUND_NOT_COVERED, "link to the accounts", members=len(cover.members))


def check_cover(
    statement: RiskStatement,
    commitments: Sequence[tuple[int, bytes]],
    points: Sequence[Point],
    size: int,
    data: bytes,
    transcript: Transcript,
) -> str:
    """Check a package's cover proof; returns the result as text. Raises VerificationFailed.

    `points` are the decoded commitments, `transcript` is the accounts' joint proof's, after it.
    """
    cover = cover_of(statement, [account for account, _ in commitments], size)
    if cover is None:
        if data:
            raise VerificationFailed(ProofCode.BAD_STATEMENT, "a cover proof without stress scenarios", bytes=len(data))
        return "no stress scenarios: the default fund is not tested"
    if not data:
        raise VerificationFailed(ProofCode.FUND_NOT_COVERED, "no proof", stresses=cover.stresses)
    fund_holder = dict(commitments)[cover.terms.fund_account]
    backing = backing_statement(cover, statement, fund_holder, transcript)
    backing_bytes = part_bytes(backing.layout.columns) + TAIL_BYTES if backing else 0
    parts = read_cover(data, cover, LINK_BYTES, backing_bytes)
    vectors = [decode_point(commitment, "C_V") for commitment in parts.commitments]
    after = verify(cover.statement(parts.commitments, transcript), parts.joint, vectors)
    accounts = {account: point for (account, _), point in zip(commitments, points, strict=True)}
    verify_link(cover, vectors, accounts, parts.link, after)
    if backing is not None:
        verify(backing, parts.backing, [accounts[cover.terms.fund_account]])
    return _found(cover)


def _found(cover: CoverStatement) -> str:
    terms = cover.terms
    short = [
        f"short by {deficit} in {name}" for name, deficit in zip(cover.names, terms.deficits, strict=True) if deficit
    ]
    result = "; ".join(short) if short else "covers what its two largest members lack"
    return (
        f"fund of {terms.fund} micros, held by account {terms.fund_account}, of {len(cover.members)} members, "
        f"in {cover.stresses} stress scenarios: {result}"
    )
