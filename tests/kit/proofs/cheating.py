"""A prover without a single check: each message of the protocol is a method, which an attack replaces.

It follows `proofs/notes/protocol.md` on whole polynomials and shares with the library only what both sides must: the
order of challenges, the public weights, the encoding. Where a division leaves a remainder, it is dropped: so the proof
always comes out, and whether it is believed is the verifier's affair. Nothing is range-checked: values and digits are
any residues modulo p, on all n positions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from proofs.algebra import polynomial as prover_points
from proofs.algebra.domain import domain_of
from proofs.algebra.field import ORDER, batch_inverse, inner_product, inverse, powers
from proofs.algebra.group import encode_point
from proofs.algebra.polynomial import (
    Masked,
    Poly,
    coefficients,
    divide_by_root,
    interpolate,
    polynomial,
    scale_argument,
)
from proofs.errors import VerificationFailed
from proofs.linear import messages
from proofs.linear.layout import BASE, ProofLayout
from proofs.linear.messages import AccountPart, LinearProof, write_proof
from proofs.linear.prover import random_scalar
from proofs.linear.statement import LinearStatement, constraint_values, u_values, weights_of
from proofs.linear.verifier import verify


def bytes_of(layout: ProofLayout, values: Sequence[int], sigma: int = 0) -> list[list[int]]:
    """Digits that are all bytes; they are wrong wherever a value is out of range."""
    return _digits(layout, values, sigma, lambda value, width: list((value % BASE**width).to_bytes(width, "little")))


def heaps_of(layout: ProofLayout, values: Sequence[int], sigma: int = 0) -> list[list[int]]:
    """Digits that add up to every value modulo p; a value out of range stands whole in its lowest digit."""

    def digits(value: int, width: int) -> list[int]:
        if 0 <= value < BASE**width:
            return list(value.to_bytes(width, "little"))
        return [value % ORDER, *[0] * (width - 1)]

    return _digits(layout, values, sigma, digits)


def _digits(layout, values, sigma, digits):
    columns = [[0] * layout.size for _ in range(layout.columns)]
    found = constraint_values(layout, values, sigma)
    for value, width, (column, start) in zip(found, layout.widths, layout.table.places, strict=True):
        if width:
            columns[column][start : start + width] = digits(value, width)
    return columns


@dataclass
class Secret:
    """What an account holds: residues on positions of H, digits of each column, and any number of blinders."""

    values: list[int]
    digits: list[list[int]]
    rho: list[int]

    def poly(self, size: int) -> Poly:
        return Masked([*self.values, *[0] * (size - len(self.values))], self.rho).poly()


def secret(layout: ProofLayout, values: Sequence[int], sigma: int = 0, digits=bytes_of) -> Secret:
    return Secret(list(values), digits(layout, values, sigma), [random_scalar(), random_scalar()])


def commit_poly(poly: Poly) -> bytes:
    """[P], infinity and all."""
    return encode_point(prover_points.commit_poly(poly))


def state(layout: ProofLayout, secrets: Sequence[Secret], sigmas: Sequence[int] = (), context: bytes = bytes(32)):
    """The statement that these accounts are all in order."""
    return LinearStatement(
        layout,
        context,
        tuple(range(len(secrets))),
        tuple(sigmas) or (0,) * len(secrets),
        tuple(commit_poly(each.poly(layout.size)) for each in secrets),
    )


def believed(statement: LinearStatement, proof: bytes) -> bool:
    """What the real verifier says."""
    try:
        verify(statement, proof)
    except VerificationFailed:
        return False
    return True


class CheatingProver:
    """Replace a method, and `prove`. Polynomials W, D, m, f, S, t1, t2 as in the notes, by account and column."""

    blinders = 2

    def __init__(self, statement: LinearStatement, secrets: Sequence[Secret]) -> None:
        self.statement, self.secrets = statement, secrets
        self.layout, self.size = statement.layout, statement.layout.size
        self.domain = domain_of(self.size)
        self.columns = range(self.layout.columns)

    def prove(self) -> bytes:
        transcript = self.transcript = self.statement.transcript()
        self.w = self.holdings()
        self.d = [[self.hide(column) for column in each.digits] for each in self.secrets]
        self.m = self.hide(self.multiplicities())
        c_d, c_m = self.points(self.d), commit_poly(self.m)
        self.first = messages.after_digits(transcript, c_d, c_m)
        self.weights = weights_of(self.layout, self.first.y)
        self.f = self.lookups()
        c_f = self.points(self.f)
        delta = messages.after_lookups(transcript, c_f)
        self.own = powers(delta, len(self.secrets) * self.layout.columns)
        self.joint = self.own[:: self.layout.columns]
        self.s = self.running_sum()
        c_s = commit_poly(self.s)
        self.gamma = messages.after_sum(transcript, c_s)
        self.t1, self.t2 = self.quotient()
        c_t1, c_t2 = commit_poly(self.t1), commit_poly(self.t2)
        self.zeta = messages.after_quotient(transcript, c_t1, c_t2)
        d_bar, s_bar = self.evaluations()
        self.r = messages.after_evaluations(transcript, d_bar, s_bar)
        pi_1, pi_2 = (commit_poly(poly) for poly in self.openings(d_bar, s_bar))
        messages.after_openings(transcript, pi_1, pi_2)
        parts = tuple(AccountPart(tuple(d), tuple(f), tuple(b)) for d, f, b in zip(c_d, c_f, d_bar, strict=True))
        return write_proof(LinearProof(parts, c_m, c_s, c_t1, c_t2, s_bar, pi_1, pi_2))

    # The messages, in order.

    def holdings(self) -> list[Poly]:
        """W of each account, as the proof uses it: what the statement commits to may be something else."""
        return [each.poly(self.size) for each in self.secrets]

    def multiplicities(self) -> list[int]:
        """How often each byte occurs in all columns; a digit that is none is counted nowhere."""
        counts = [0] * self.size
        for column in self.all_digits():
            for digit in column:
                if digit < BASE:
                    counts[digit] += 1
        return counts

    def lookups(self) -> list[list[Poly]]:
        return [[self.hide(self.lookup(k, c)) for c in self.columns] for k in range(len(self.secrets))]

    def lookup(self, k: int, c: int) -> list[int]:
        """f on H: 1/(α + D), less m/(α + T) in the column of all that carries the table."""
        alpha = self.first.alpha
        found = batch_inverse([alpha + digit for digit in self.secrets[k].digits[c]])
        if (k, c) == (0, 0):
            table = batch_inverse([alpha + i % BASE for i in range(self.size)])
            taken = self.on_domain(self.m)
            found = [(f - m * t) % ORDER for f, m, t in zip(found, taken, table, strict=True)]
        return found

    def running_sum(self) -> Poly:
        """S with S_0 = 0 and every step as it should be, but for the last, which need not lead back to 0."""
        total, sums = 0, []
        for step in self.steps():
            sums.append(total)
            total = (total + step) % ORDER
        return self.hide(sums, 3)

    def quotient(self) -> tuple[Poly, Poly]:
        """t1 and t2 of the numerator over Z_H, without its remainder, hidden by a shared blinder."""
        found = [0] * self.size + coefficients(self.numerator(), 0)
        for at in range(len(found) - 1, 2 * self.size - 1, -1):
            found[at - self.size] += found[at]
        top = found[2 * self.size :]
        split, blinder = self.size + 2, random_scalar()
        high = [*top[split:], 0]
        high[0] -= blinder
        return polynomial([*top[:split], *[0] * (split - len(top)), blinder]), polynomial(high)

    def evaluations(self) -> tuple[list[tuple[int, ...]], int]:
        d_bar = [tuple(int(poly(self.zeta)) for poly in row) for row in self.d]
        return d_bar, int(self.s(self.shifted))

    def openings(self, d_bar, s_bar) -> tuple[Poly, Poly]:
        """The quotients, without their remainders."""
        combined = self.linearised(d_bar, s_bar)
        for weight, poly in zip(powers(self.r, len(self.own) + 1)[1:], self.flat(self.d), strict=True):
            combined += poly * weight
        return polynomial(divide_by_root(combined, self.zeta)), polynomial(divide_by_root(self.s, self.shifted))

    # What the notes define.

    def numerator(self) -> Poly:
        """Σ own·(lookup equation) + γ·(S(ωX) − S(X) − its right-hand side)."""
        alpha, one = self.first.alpha, polynomial([1])
        table = interpolate([alpha + i % BASE for i in range(self.size)])
        total = scale_argument(self.s, self.domain.omega) - self.s - self.right_hand_side()
        total *= self.gamma
        for own, f, d in zip(self.own, self.flat(self.f), self.flat(self.d), strict=True):
            shifted = d + alpha
            carries = own == 1  # δ^0
            total += ((f * shifted - one) * table + self.m * shifted if carries else f * shifted - one) * own
        return total

    def right_hand_side(self) -> Poly:
        """Σ f + β·Σ joint·[Σ u·D − v·W − c/n], as the polynomial that the linearisation means."""
        total = polynomial([])
        for f in self.flat(self.f):
            total += f
        v = interpolate([*self.weights.v, *[0] * (self.size - len(self.weights.v))])
        u = [interpolate([c.get(i, 0) for i in range(self.size)]) for c in u_values(self.layout, self.weights)]
        for k, joint in enumerate(self.joint):
            inner = v * self.w[k] * -1 + (-self.constant(k))
            for c in self.columns:
                inner += u[c] * self.d[k][c]
            total += inner * (joint * self.first.beta % ORDER)
        return total

    def linearised(self, d_bar, s_bar) -> Poly:
        """Lz, under the evaluations that are claimed."""
        alpha, gamma, zeta, domain = self.first.alpha, self.gamma, self.zeta, self.domain
        gamma_beta = gamma * self.first.beta % ORDER
        lagrange = domain.lagrange(zeta, self.size)
        v_bar = inner_product(self.weights.v, lagrange[: len(self.weights.v)])
        u_bar = [sum(c * lagrange[i] for i, c in u.items()) % ORDER for u in u_values(self.layout, self.weights)]
        claimed = [value for row in d_bar for value in row]
        constant = gamma * s_bar
        total = self.m * ((alpha + claimed[0]) % ORDER) + self.s * -gamma
        total += (self.t1 + self.t2 * pow(zeta, self.size + 2, ORDER)) * -domain.vanishing(zeta)
        for i, (own, f, value) in enumerate(zip(self.own, self.flat(self.f), claimed, strict=True)):
            factor = (alpha + domain.table(zeta)) % ORDER if i == 0 else 1
            total += f * ((own * (alpha + value) * factor - gamma) % ORDER)
            constant -= own * factor
        for k, joint in enumerate(self.joint):
            total += self.w[k] * (joint * gamma_beta % ORDER * v_bar % ORDER)
            summed = sum(u * value for u, value in zip(u_bar, d_bar[k], strict=True))
            constant += joint * gamma_beta % ORDER * (self.constant(k) - summed)
        return total + constant % ORDER

    # Small parts.

    @property
    def shifted(self) -> int:
        """ωζ."""
        return self.domain.omega * self.zeta % ORDER

    def constant(self, k: int) -> int:
        """c_k/n."""
        return self.weights.c(self.statement.shortfalls[k]) * inverse(self.size) % ORDER

    def steps(self) -> list[int]:
        """The right-hand side on H."""
        return self.on_domain(self.right_hand_side())

    def missing(self) -> int:
        """By how much the steps do not close: F + β·ΣE, zero for a true statement."""
        return sum(self.steps()) % ORDER

    def hide(self, values: Sequence[int], blinders: int | None = None) -> Poly:
        count = self.blinders if blinders is None else blinders
        return Masked(list(values), [random_scalar() for _ in range(count)]).poly()

    def on_domain(self, poly: Poly) -> list[int]:
        folded = [0] * self.size
        for power, each in enumerate(coefficients(poly, 0)):
            folded[power % self.size] += each
        # The inverse transform of coefficients gives the values in reverse order, over n.
        back = coefficients(interpolate([each % ORDER for each in folded]), self.size)
        return [each * self.size % ORDER for each in (back[0], *back[:0:-1])]

    def all_digits(self) -> list[list[int]]:
        return [column for each in self.secrets for column in each.digits]

    def points(self, polys: Sequence[Sequence[Poly]]) -> list[tuple[bytes, ...]]:
        return [tuple(commit_poly(poly) for poly in row) for row in polys]

    def flat(self, polys: Sequence[Sequence[Poly]]) -> list[Poly]:
        return [poly for row in polys for poly in row]


def proven(
    layout: ProofLayout, secrets: Sequence[Secret], way=CheatingProver, **stated
) -> tuple[LinearStatement, bytes]:
    """The statement that these accounts are all in order, and its proof by this way of cheating."""
    statement = state(layout, secrets, **stated)
    return statement, way(statement, secrets).prove()
