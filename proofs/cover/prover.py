"""The prover of the cover test: makes V_s from the accounts' witnesses, and the three proofs about them.

Rule: t is the second largest U_m, and x_m the excess of U_m over it, which minimises 2t + Σ x_m. Fresh randomness each
time, never shared with another proof; with `check_witness` off it is the cheating prover of the tests.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from clearing.base.errors import Bug
from clearing.margin.statement.snapshot import RiskStatement
from proofs.algebra.commitment import commit
from proofs.algebra.domain import domain_of
from proofs.algebra.field import ORDER, scalar_bytes
from proofs.algebra.group import encode_point
from proofs.algebra.polynomial import (
    Masked,
    commit_coefficients,
    commit_poly,
    divide_by_root,
    divide_by_vanishing,
    polynomial,
    scale_argument,
    zero_masked,
)
from proofs.algebra.srs import basis
from proofs.algebra.transcript import Transcript
from proofs.cover.terms import CoverParts, CoverStatement, backing_statement, cover_of, write_cover
from proofs.cover.verifier import (
    LinkWeights,
    after_openings,
    after_running_sum,
    begin_link,
    draw_weights,
    public_values,
)
from proofs.linear.prover import prove, random_scalar
from proofs.linear.shard import RandomScalar
from proofs.linear.statement import Witness, make_witness

BLINDERS = 2
SUM_BLINDERS = 3


def prove_cover(
    statement: RiskStatement,
    commitments: Sequence[tuple[int, bytes]],
    witnesses: Sequence[Witness],
    size: int,
    transcript: Transcript,
    *,
    scalars: RandomScalar = random_scalar,
    check_witness: bool = True,
    vectors: Sequence[Sequence[int]] | None = None,
) -> bytes:
    """The bytes of the proof; empty without stress scenarios. `transcript` is the accounts' joint proof's, after it.

    Raises LocalFault WITNESS_OUT_OF_RANGE when the fund does not cover and the statement lists no deficit.
    `vectors` are the cheating prover's V_s.
    """
    cover = cover_of(statement, [account for account, _ in commitments], size)
    if cover is None:
        return b""
    by_account = {account: witness for (account, _), witness in zip(commitments, witnesses, strict=True)}
    found = [_vector(cover, by_account, slot) for slot in cover.uncovered] if vectors is None else vectors
    own = [
        make_witness(cover.layout, values, deficit, [scalars() for _ in range(BLINDERS)], check=check_witness)
        for values, deficit in zip(found, cover.terms.deficits, strict=True)
    ]
    points = basis(size)
    committed = tuple(encode_point(commit(points, witness.values, witness.blinders)) for witness in own)
    joint, after = prove(cover.statement(committed, transcript), own, check_witness=check_witness, scalars=scalars)
    link = _Link(cover, own, by_account, scalars, check_witness).run(after)
    holder = dict(commitments)[cover.terms.fund_account]
    backing = backing_statement(cover, statement, holder, transcript)
    backing_proof = b""
    if backing is not None:
        full = by_account[cover.terms.fund_account]
        backing_witness = make_witness(backing.layout, full.values, 0, full.blinders, check=check_witness)
        backing_proof, _ = prove(backing, [backing_witness], check_witness=check_witness, scalars=scalars)
    return write_cover(CoverParts(committed, joint, link, backing_proof))


def uncovered_losses(cover: CoverStatement, by_account: Mapping[int, Witness], slot: int) -> list[int]:
    """U_m of each member, by number: the sum of one slot over its accounts."""
    found = [0] * len(cover.members)
    for account, number in cover.number_of.items():
        found[number] += by_account[account].values[slot]
    return found


def _vector(cover: CoverStatement, by_account: Mapping[int, Witness], slot: int) -> list[int]:
    owed = uncovered_losses(cover, by_account, slot)
    t = sorted(owed)[-2] if len(owed) > 1 else 0
    x = [max(0, loss - t) for loss in owed]
    return [*x, *(beyond + t - loss for beyond, loss in zip(x, owed, strict=True)), t]


@dataclass
class _Link:
    """The prover's side of `proofs.cover.verifier`."""

    cover: CoverStatement
    vectors: Sequence[Witness]
    accounts: Mapping[int, Witness]
    scalars: RandomScalar
    check: bool

    def run(self, transcript: Transcript) -> bytes:
        """All of it."""
        size, own = self.cover.size, begin_link(transcript)
        domain, weights = domain_of(size), draw_weights(self.cover, own)
        v, k = self._combined(weights)
        a = [*weights.a, *[0] * (size - len(weights.a))]
        b = [weights.b.get(slot, 0) for slot in range(size)]
        steps = ((x * y - z * w) % ORDER for x, y, z, w in zip(a, v.values, b, k.values, strict=True))
        total = [value % ORDER for value in accumulate(steps, initial=0)]
        if self.check and total[-1] != 0:
            raise Bug("the running sum of the cover link does not close")
        g = Masked(total[:-1], [self.scalars() for _ in range(SUM_BLINDERS)])
        g_poly, v_poly, k_poly = g.poly(), v.poly(), k.poly()
        rest = Masked(b, []).poly() * k_poly - Masked(a, []).poly() * v_poly
        quotient, exact = divide_by_vanishing(scale_argument(g_poly, domain.omega) - g_poly + rest, size)
        if self.check and not exact:
            raise Bug("the quotient of the cover link is not exact")
        c_g, c_q = encode_point(commit_poly(g_poly)), encode_point(commit_poly(quotient))
        zeta = after_running_sum(own, c_g, c_q)
        shifted = domain.omega * zeta % ORDER
        g_bar = int(g_poly(shifted))
        a_bar, b_bar = public_values(self.cover, weights, zeta)
        linear = k_poly * b_bar - v_poly * a_bar - g_poly - quotient * domain.vanishing(zeta) + polynomial([g_bar])
        pi_1 = encode_point(commit_coefficients(divide_by_root(linear, zeta)))
        pi_2 = encode_point(commit_coefficients(divide_by_root(g_poly, shifted)))
        after_openings(own, g_bar, pi_1, pi_2)
        return b"".join((c_g, c_q, scalar_bytes(g_bar), pi_1, pi_2))

    def _combined(self, weights: LinkWeights) -> tuple[Masked, Masked]:
        """V and K."""
        size = self.cover.size
        v, k = zero_masked(size, BLINDERS), zero_masked(size, BLINDERS)
        for weight, witness in zip(weights.of_stress, self.vectors, strict=True):
            v.add(weight, _masked(witness, size))
        for account, number in self.cover.number_of.items():
            k.add(weights.of_member[number], _masked(self.accounts[account], size))
        return v.reduced(), k.reduced()


def _masked(witness: Witness, size: int) -> Masked:
    return Masked([*witness.values, *[0] * (size - len(witness.values))], list(witness.blinders))
