"""A forger of linear proofs that knows no witness: it sends constants, and solves for the one that nothing binds.

Rule: Lz(ζ) is affine in every single message: C_W's blinder, D, m, f, S, t_1, t_2, D̄, S̄, each σ, each row's constant.
A prover that chooses one of them after the challenges solves one equation for it and proves anything, so the transcript
has to hold all of them. Where the unknown must be small (σ, constants of rows) a lattice solves for several of them.
Symbols as in `proofs/notes/protocol.md`, and L = Lz + Σ r^(i+1)(D_i − D̄_i).
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from proofs.algebra.commitment import commit
from proofs.algebra.domain import domain_of
from proofs.algebra.field import ORDER, inverse, powers
from proofs.algebra.group import encode_point
from proofs.algebra.polynomial import Masked, Poly, commit_coefficients, polynomial
from proofs.algebra.srs import basis
from proofs.linear import messages
from proofs.linear.layout import BASE, ProofLayout, lay_out
from proofs.linear.messages import AccountPart, LinearProof, write_proof
from proofs.linear.prover import random_scalar
from proofs.linear.statement import LinearStatement, constraint_values, public_evaluations, used_positions, weights_of
from tests.kit.proofs.forgers.lattice import small_solution
from tests.kit.proofs.forgers.openings import LastRound, solve

Forgery = tuple[LinearStatement, bytes]
T = TypeVar("T")


class Forger:
    """One proof for accounts whose values may break any range and any row.

    Columns of all accounts are numbered i = k·columns + c, as in the notes.
    """

    def __init__(self, layout: ProofLayout, vectors: Sequence[Sequence[int]], *, which: int = 0) -> None:
        """`which` of the messages of one kind is the unbound one, where every account or column has its own."""
        count, columns = len(vectors), len(vectors) * layout.columns
        self.layout, self.vectors, self.which = layout, vectors, which
        self.size = layout.size
        """n of the basis that C_W is committed in; the layout's may change later."""
        self.context, self.accounts, self.sigma = bytes(32), tuple(range(count)), [0] * count
        self.rho = [[random_scalar(), random_scalar()] for _ in vectors]
        self.d, self.f = ([random_scalar() for _ in range(columns)] for _ in range(2))
        self.m, self.t_1, self.t_2 = (random_scalar() for _ in range(3))
        self.s = [random_scalar(), random_scalar()]
        self.d_bar, self.s_bar, self.r = list(self.d), 0, 0

    def statement(self) -> LinearStatement:
        """The statement as it stands: the forger may still change what nothing binds."""
        points = basis(self.size)
        commitments = tuple(encode_point(commit(points, w, rho)) for w, rho in zip(self.vectors, self.rho, strict=True))
        return LinearStatement(self.layout, self.context, self.accounts, tuple(self.sigma), commitments)

    def forge(self, unbound: str) -> Forgery:
        """A statement and a proof for transcripts that leave the item `unbound` out. Raises ValueError for others.

        With "nothing" the proof is wrong by the constant `error` in the group, and only by it.
        """
        self._draw_until_zeta()
        if unbound in self._unknowns():
            solve(self._unknowns()[unbound], self._residue)
        elif unbound in self._small_unknowns():
            self._solve_small(*self._small_unknowns()[unbound])
        elif unbound not in ("D(zeta)", "S(omega zeta)", "pi_2", "nothing"):
            raise ValueError(unbound)
        self.r = messages.after_evaluations(self.transcript, self._by_account(self.d_bar), self.s_bar)
        if unbound == "D(zeta)":
            solve(self._put_d_bar, self._residue)
        pi_1, pi_2 = self._openings(unbound)
        self.error = self._residue()
        points = self._by_account([_constant(d) for d in self.d]), self._by_account([_constant(f) for f in self.f])
        parts = tuple(AccountPart(*part) for part in zip(*points, self._by_account(self.d_bar), strict=True))
        s, t_1, t_2 = _commit(self.s), _constant(self.t_1), _constant(self.t_2)
        return self.statement(), write_proof(LinearProof(parts, _constant(self.m), s, t_1, t_2, self.s_bar, pi_1, pi_2))

    def _draw_until_zeta(self) -> None:
        self.transcript = self.statement().transcript()
        c_d, c_f = (self._by_account([_constant(each) for each in found]) for found in (self.d, self.f))
        self.first = messages.after_digits(self.transcript, c_d, _constant(self.m))
        self.delta = messages.after_lookups(self.transcript, c_f)
        self.gamma = messages.after_sum(self.transcript, _commit(self.s))
        self.zeta = messages.after_quotient(self.transcript, _constant(self.t_1), _constant(self.t_2))
        self.shifted = domain_of(self.layout.size).omega * self.zeta % ORDER
        self._put_slope(self.s[1])

    def _unknowns(self) -> dict[str, Callable[[int], None]]:
        """How each message is set that one equation at ζ is solved for."""
        return {
            "C_W": self._put_blinder,
            "C_D": self._put_digits,
            "C_m": lambda value: setattr(self, "m", value),
            "C_f": self._put_lookup,
            "C_S": self._put_slope,
            "C_t1": lambda value: setattr(self, "t_1", value),
            "C_t2": lambda value: setattr(self, "t_2", value),
            "pi_1": lambda value: setattr(self, "s_bar", value),
        }

    def _small_unknowns(self) -> dict[str, tuple[Callable[[Sequence[int]], None], int, int, int]]:
        """(how they are set, how many, from, below) of those that must be small integers."""
        return {
            "sigma": (self._put_shortfalls, len(self.sigma), 0, 2**62),
            "layout": (self._put_constants, len(self.layout.table.rows), -(2**62), 2**62),
            "n": (self._put_larger, len(self.layout.table.rows), -(2**62), 2**62),
        }

    def _put_blinder(self, value: int) -> None:
        self.rho[self.which][0] = value

    def _put_digits(self, value: int) -> None:
        self.d[self.which] = self.d_bar[self.which] = value

    def _put_d_bar(self, value: int) -> None:
        self.d_bar[self.which] = value

    def _put_lookup(self, value: int) -> None:
        self.f[self.which] = value

    def _put_slope(self, value: int) -> None:
        self.s[1] = value
        self.s_bar = (self.s[0] + value * self.shifted) % ORDER

    def _put_shortfalls(self, values: Sequence[int]) -> None:
        self.sigma = list(values)

    def _put_constants(self, values: Sequence[int]) -> None:
        table = self.layout.table
        rows = tuple(msgspec.structs.replace(row, constant=b) for row, b in zip(table.rows, values, strict=True))
        self.layout = lay_out(table.size, table.slots, rows)

    def _put_larger(self, values: Sequence[int]) -> None:
        """Other constants, and a domain twice as large as when the challenges were drawn."""
        table = self.layout.table
        self.layout = lay_out(2 * self.size, table.slots, table.rows)
        self.shifted = domain_of(2 * self.size).omega * self.zeta % ORDER
        self._put_slope(self.s[1])
        self._put_constants(values)

    def _solve_small(self, put: Callable[[Sequence[int]], None], count: int, low: int, high: int) -> None:
        put([0] * count)
        at_zero = self._residue()
        slopes = []
        for index in range(count):
            put([int(i == index) for i in range(count)])
            slopes.append(self._residue() - at_zero)
        put(small_solution(slopes, -at_zero % ORDER, low, high))

    def _residue(self) -> int:
        return int(self._opened()(self.zeta))

    def _opened(self) -> Poly:
        """L as it stands."""
        domain = domain_of(self.layout.size)
        weights = weights_of(self.layout, self.first.y)
        lagrange = domain.lagrange(self.zeta, used_positions(self.layout))
        u_bar, v_bar = public_evaluations(self.layout, weights, lagrange)
        alpha, gamma, gamma_beta = self.first.alpha, self.gamma, self.gamma * self.first.beta
        table, inverse_n = alpha + domain.table(self.zeta), inverse(self.layout.size)
        total = polynomial(self.s) * -gamma
        constant = gamma * self.s_bar + self.m * (alpha + self.d_bar[0])
        constant -= domain.vanishing(self.zeta) * (self.t_1 + pow(self.zeta, self.layout.size + 2, ORDER) * self.t_2)
        owns, openings = powers(self.delta, len(self.d)), powers(self.r, len(self.d) + 1)[1:]
        for i, (own, opening) in enumerate(zip(owns, openings, strict=True)):
            factor = 1 if i else table
            constant += self.f[i] * (own * (alpha + self.d_bar[i]) * factor - gamma) - own * factor
            constant += opening * (self.d[i] - self.d_bar[i])
        for k, (joint, d_bar) in enumerate(
            zip(owns[:: self.layout.columns], self._by_account(self.d_bar), strict=True)
        ):
            claimed = sum(map(int.__mul__, u_bar, d_bar))
            constant += joint * gamma_beta * (weights.c(self.sigma[k]) * inverse_n - claimed)
            total += self.committed(k) * (joint * gamma_beta % ORDER * v_bar % ORDER)
        return total + polynomial([constant % ORDER])

    def _by_account(self, items: Sequence[T]) -> list[tuple[T, ...]]:
        """One tuple of columns an account."""
        step = self.layout.columns
        return [tuple(items[at : at + step]) for at in range(0, len(items), step)]

    def committed(self, k: int) -> Poly:
        """W of account k."""
        return Masked([*self.vectors[k], *[0] * (self.size - len(self.vectors[k]))], self.rho[k]).poly()

    def _openings(self, unbound: str) -> tuple[bytes, bytes]:
        """(π_1, π_2); with the unbound one, or S̄, chosen after μ."""

        def draw(pi_1: Sequence[int], pi_2: Sequence[int]) -> int:
            return messages.after_openings(self.transcript, _commit(pi_1), _commit(pi_2))

        last = LastRound(self._opened(), self.s, self.s_bar, self.zeta, self.shifted, self.gamma)
        found = last.run(unbound, draw)
        self.s_bar = found.s_bar
        return _commit(found.pi_1), _commit(found.pi_2)


def is_false(statement: LinearStatement, vectors: Sequence[Sequence[int]], rho: Sequence[Sequence[int]]) -> bool:
    """Whether these are the openings of the statement's commitments and some slot or row is out of its range."""
    points = basis(statement.layout.size)
    opened = tuple(encode_point(commit(points, w, hiding)) for w, hiding in zip(vectors, rho, strict=True))
    broken = False
    for values, sigma in zip(vectors, statement.shortfalls, strict=True):
        found = constraint_values(statement.layout, values, sigma)
        broken |= any(not 0 <= v < max(BASE**w, 1) for v, w in zip(found, statement.layout.widths, strict=True))
    return opened == statement.commitments and broken


def _constant(value: int) -> bytes:
    return _commit([value])


def _commit(found: Sequence[int]) -> bytes:
    return encode_point(commit_coefficients(found))
