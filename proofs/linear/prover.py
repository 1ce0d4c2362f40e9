"""The prover of the linear proof: joins the shards' sums round by round, makes S, t and the openings.

Rule: it draws every challenge from the transcript that the verifier will replay; it may draw OS randomness, so it is
not pure. With `check_witness` it refuses to send a proof whose quotient is not exact; without, it is the cheating
prover of the tests.
"""

import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol, TypeVar

from clearing.base.errors import Bug
from proofs.algebra.domain import Domain, domain_of
from proofs.algebra.field import ORDER, inner_product, inverse, powers
from proofs.algebra.group import encode_point
from proofs.algebra.polynomial import (
    Masked,
    Poly,
    coefficients,
    commit_coefficients,
    commit_masked,
    commit_poly,
    divide_by_root,
    divide_by_vanishing,
    polynomial,
    scale_argument,
)
from proofs.algebra.srs import Basis, basis
from proofs.algebra.transcript import Transcript
from proofs.linear import messages
from proofs.linear.messages import AccountPart, LinearProof, write_proof
from proofs.linear.shard import OpeningWeights, RandomScalar, Shard
from proofs.linear.statement import LinearStatement, Weights, Witness, u_values, weights_of
from proofs.linear.sums import ShardSums

SUM_BLINDERS = 3
T = TypeVar("T")


def random_scalar() -> int:
    """A uniform scalar from the operating system."""
    return secrets.randbelow(ORDER)


def prove(
    statement: LinearStatement,
    witnesses: Sequence[Witness],
    *,
    check_witness: bool = True,
    scalars: RandomScalar = random_scalar,
) -> tuple[bytes, Transcript]:
    """Prove for all accounts at once, in this process; returns the proof and the transcript after it.

    Witnesses are in the statement's order. Each call draws new blinders. `scalars` is replaced only to freeze vectors.
    """
    shard = Shard(statement.layout, basis(statement.layout.size), witnesses, scalars)
    return prove_shards(statement, [(shard, len(witnesses))], check_witness=check_witness, scalars=scalars)


class ProverShard(Protocol):
    """What a session asks of a shard, wherever it lives; see `proofs.linear.shard.Shard`."""

    def commit_digits(self) -> tuple[list[tuple[bytes, ...]], list[int]]:
        """C_D, and how often each byte occurs."""
        ...

    def carry_table(self, counts: Sequence[int]) -> bytes:
        """C_m; asked of the first shard only."""
        ...

    def commit_lookups(self, alpha: int) -> list[tuple[bytes, ...]]:
        """C_f."""
        ...

    def sums(self, deltas: Sequence[int]) -> ShardSums:
        """What S and t are made of."""
        ...

    def evaluate(self, lagrange: Sequence[int], vanishing: int, zeta: int) -> list[tuple[int, ...]]:
        """D̄."""
        ...

    def opening(self, weights: OpeningWeights) -> Masked:
        """What is opened at ζ."""
        ...


def prove_shards(
    statement: LinearStatement,
    shards: Sequence[tuple[ProverShard, int]],
    *,
    check_witness: bool = True,
    scalars: RandomScalar = random_scalar,
) -> tuple[bytes, Transcript]:
    """Prove with the accounts spread over shards (each with its number of accounts), in the statement's order.

    The shards of one round work at the same time, each asked by a thread of its own.
    """
    return _Session(statement, shards, check_witness, scalars).run()


@dataclass
class _Rounds:
    """Challenges as they are drawn."""

    first: messages.FirstChallenges
    deltas: list[int]
    gamma: int = 0
    zeta: int = 0


class _Session:
    """One proof, from the first message to the last."""

    def __init__(
        self, statement: LinearStatement, shards: Sequence[tuple[ProverShard, int]], check: bool, scalars: RandomScalar
    ) -> None:
        self.statement = statement
        self.layout = statement.layout
        self.size = statement.layout.size
        self.domain: Domain = domain_of(self.size)
        self.basis: Basis = basis(self.size)
        self.shards = shards
        self.check = check
        self.scalars = scalars
        self.transcript = statement.transcript()

    def run(self) -> tuple[bytes, Transcript]:
        """All rounds."""
        found = self._ask(lambda _, shard: shard.commit_digits())
        c_d = [part for parts, _ in found for part in parts]
        c_m = self.shards[0][0].carry_table(
            [sum(column) for column in zip(*(counts for _, counts in found), strict=True)]
        )
        first = messages.after_digits(self.transcript, c_d, c_m)
        c_f = [part for parts in self._ask(lambda _, shard: shard.commit_lookups(first.alpha)) for part in parts]
        delta = messages.after_lookups(self.transcript, c_f)
        self.rounds = _Rounds(first, powers(delta, len(c_d) * self.layout.columns))
        self.weights: Weights = weights_of(self.layout, first.y)
        sums, *more = self._ask(lambda i, shard: shard.sums(self._share(i, self.rounds.deltas)))
        for other in more:
            sums.add(other)

        running = self._running_sum(sums)
        c_s = encode_point(commit_masked(self.basis, running))
        self.rounds.gamma = messages.after_sum(self.transcript, c_s)
        sum_poly = running.poly()
        t1, t2 = self._quotient(sums, sum_poly)
        c_t1, c_t2 = encode_point(commit_poly(t1)), encode_point(commit_poly(t2))
        self.rounds.zeta = zeta = messages.after_quotient(self.transcript, c_t1, c_t2)

        lagrange = self.domain.lagrange(zeta, self.size)
        vanishing = self.domain.vanishing(zeta)
        evaluated = self._ask(lambda _, shard: shard.evaluate(lagrange, vanishing, zeta))
        d_bar = [row for rows in evaluated for row in rows]
        shifted = self.domain.omega * zeta % ORDER
        s_bar = int(sum_poly(shifted))
        r = messages.after_evaluations(self.transcript, d_bar, s_bar)
        combined = self._opened_at_zeta(r, d_bar, lagrange) + sum_poly * -self.rounds.gamma
        combined += (t1 + t2 * pow(zeta, self.size + 2, ORDER)) * -vanishing
        pi_1 = encode_point(commit_coefficients(divide_by_root(combined, zeta)))
        pi_2 = encode_point(commit_coefficients(divide_by_root(sum_poly, shifted)))
        messages.after_openings(self.transcript, pi_1, pi_2)
        parts = tuple(AccountPart(*part) for part in zip(c_d, c_f, d_bar, strict=True))
        return write_proof(LinearProof(parts, c_m, c_s, c_t1, c_t2, s_bar, pi_1, pi_2)), self.transcript

    def _running_sum(self, sums: ShardSums) -> Masked:
        """S: S_0 = 0, S_(i+1) = S_i + g_i, with g = Σ f + β·Σ joint·[uD − vW − c/n]."""
        beta = self.rounds.first.beta
        constant = self._share_of_constant(beta)
        table, _, _ = _table_of(sums)
        steps = [a + b - constant for a, b in zip(sums.lookups.values, table.values, strict=True)]
        for column, digits in zip(u_values(self.layout, self.weights), sums.digits, strict=True):
            for position, weight in column.items():
                steps[position] += beta * weight % ORDER * digits.values[position]
        for position, weight in enumerate(self.weights.v):
            steps[position] -= beta * weight % ORDER * sums.values.values[position]
        total = [value % ORDER for value in accumulate(steps, initial=0)]
        if self.check and total[-1] != 0:
            raise Bug("the running sum of a checked witness does not close")
        return Masked(total[:-1], [self.scalars() for _ in range(SUM_BLINDERS)])

    def _share_of_constant(self, beta: int) -> int:
        """β·Σ joint·c_k / n."""
        columns = self.layout.columns
        total = sum(
            self.rounds.deltas[k * columns] * self.weights.c(sigma) for k, sigma in enumerate(self.statement.shortfalls)
        )
        return total % ORDER * beta % ORDER * inverse(self.size) % ORDER

    def _quotient(self, sums: ShardSums, sum_poly: Poly) -> tuple[Poly, Poly]:
        """t1, t2 with t = t1 + X^(n+2)·t2 = [lookups + γ·sum check] / Z_H, hidden by a shared blinder."""
        size = self.size
        alpha, beta, gamma = self.rounds.first.alpha, self.rounds.first.beta, self.rounds.gamma
        others = (sum(self.rounds.deltas) - 1) % ORDER
        f, m, digits = _table_of(sums)
        table = Masked([alpha + i % 256 for i in range(size)], []).poly()
        digits_poly = digits.poly() + polynomial([alpha])
        lookups = table * (f.poly() * digits_poly + polynomial([-1])) + m.poly() * digits_poly
        linear = self._weighted(list(self.weights.v), sums.values) * -1
        for column, digits in zip(u_values(self.layout, self.weights), sums.digits, strict=True):
            linear += self._weighted([column.get(i, 0) for i in range(size)], digits)
        sums.lookups.add(1, f)
        step = sums.lookups.reduced().poly() + linear * beta + polynomial([-self._share_of_constant(beta)])
        closing = scale_argument(sum_poly, self.domain.omega) - sum_poly - step
        quotient, exact = divide_by_vanishing(lookups + closing * gamma, size)
        if self.check and not exact:
            raise Bug("the quotient of a checked witness is not exact")
        if len(self.rounds.deltas) > 1:
            quotient += sums.quotient.poly(alpha, others)
        found = coefficients(quotient, size + 2)
        blinder = self.scalars()
        low, high = [*found[: size + 2], blinder], found[size + 2 :] or [0]
        high[0] -= blinder
        return polynomial(low), polynomial(high)

    def _weighted(self, weights: list[int], masked: Masked) -> Poly:
        public = Masked(weights + [0] * (self.size - len(weights)), []).poly()
        return public * masked.poly()

    def _opened_at_zeta(self, r: int, d_bar: Sequence[Sequence[int]], lagrange: Sequence[int]) -> Poly:
        """The accounts' share of Lz + Σ r^(i+1)·D_i, without its constant (which the division drops)."""
        columns, deltas = self.layout.columns, self.rounds.deltas
        alpha, beta, gamma = self.rounds.first.alpha, self.rounds.first.beta, self.rounds.gamma
        table = alpha + self.domain.table(self.rounds.zeta)
        v_bar = inner_product(self.weights.v, lagrange[: len(self.weights.v)])
        weights = OpeningWeights(
            [
                (deltas[k * columns + c] * (alpha + value) * (1 if k or c else table) - gamma) % ORDER
                for k, row in enumerate(d_bar)
                for c, value in enumerate(row)
            ],
            powers(r, len(deltas) + 1)[1:],
            [deltas[k * columns] * gamma % ORDER * beta % ORDER * v_bar % ORDER for k in range(len(d_bar))],
            (alpha + d_bar[0][0]) % ORDER,
        )

        def mine(i: int) -> OpeningWeights:
            return OpeningWeights(
                self._share(i, weights.f), self._share(i, weights.d), self._share(i, weights.w, 1), weights.m
            )

        total, *more = self._ask(lambda i, shard: shard.opening(mine(i)))
        for other in more:
            total.add(1, other)
        return total.reduced().poly()

    def _ask(self, call: Callable[[int, ProverShard], T]) -> list[T]:
        """The answers of all shards, in order; they work at the same time."""
        shards = [shard for shard, _ in self.shards]
        if len(shards) == 1:
            return [call(0, shards[0])]
        with ThreadPoolExecutor(len(shards)) as threads:
            return list(threads.map(call, range(len(shards)), shards))

    def _share(self, number: int, items: Sequence[int], per_account: int | None = None) -> Sequence[int]:
        width = self.layout.columns if per_account is None else per_account
        start = sum(count for _, count in self.shards[:number])
        return items[start * width : (start + self.shards[number][1]) * width]


def _table_of(sums: ShardSums) -> tuple[Masked, Masked, Masked]:
    if sums.table is None:
        raise Bug("no shard carries the table")
    return sums.table
