"""The prover's work that is independent per account: a shard holds some accounts through all rounds of one proof.

Rule: blinders are fresh OS randomness and single-use: each round may be asked for once, in order; a retry is a new
shard. Between rounds a shard keeps digits, values and blinders only; everything else is recomputed from them. What it
returns are commitments and sums over its accounts, so shards can live in other processes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from clearing.base.errors import LocalFault
from proofs.domain import TABLE_SIZE
from proofs.errors import ProofCode
from proofs.field import ORDER, batch_inverse
from proofs.group import GENERATOR, Point, encode_point, infinity, multi_scalar, multiply_small
from proofs.layout import Layout
from proofs.linear.witness import Witness
from proofs.polynomial import Masked, Poly, coefficients, polynomial, zero_masked
from proofs.srs import Basis

RandomScalar = Callable[[], int]
BLINDERS = 2


@dataclass
class ShardSums:
    """Sums over a shard's accounts; joint = δ^(k·columns), own = δ^(k·columns + c). The table is at k = c = 0."""

    digits: list[Masked]
    """Σ joint·D of each column."""
    values: Masked
    """Σ joint·W."""
    multiplicities: Masked
    """m, where the shard carries the table; else zero."""
    lookups: Masked
    """Σ f over all columns."""
    table_lookups: Masked
    """f of the column with the table; else zero."""
    other_lookups: Masked
    """Σ own·f of the other columns."""
    table_products: list[int]
    """Coefficients of f·D of the column with the table."""
    other_products: list[int]
    """Coefficients of Σ own·f·D of the other columns, plus m·D of the column with the table."""


@dataclass(frozen=True)
class OpeningWeights:
    """What multiplies, in Lz + ΣrD, f and D (index k·columns + c), W (index k), and m where the table is carried."""

    f: Sequence[int]
    d: Sequence[int]
    w: Sequence[int]
    m: int


@dataclass
class _Account:
    witness: Witness
    hidden_d: list[list[int]]
    hidden_f: list[list[int]]


class Shard:
    """Some accounts of one proof; the first shard also carries the table, that is m, for all of them.

    Rounds: commit_digits, (carry_table), commit_lookups, sums, evaluate, opening.
    """

    def __init__(self, layout: Layout, basis: Basis, witnesses: Sequence[Witness], random_scalar: RandomScalar) -> None:
        self._layout = layout
        self._basis = basis
        self._round = 0
        self._alpha = 0
        self._carried: Masked | None = None
        self._random_scalar = random_scalar
        self._accounts = [self._account(witness) for witness in witnesses]

    def commit_digits(self) -> tuple[list[tuple[bytes, ...]], list[int]]:
        """(C_D of each column of each account, how often each byte occurs in all of them)."""
        self._enter(1)
        counts = [0] * TABLE_SIZE
        for account in self._accounts:
            for column in account.witness.digits:
                for digit in column:
                    if digit < TABLE_SIZE:  # a forged digit has no place in the table; the proof will not verify
                        counts[digit] += 1
        return [self._commit_digits(account) for account in self._accounts], counts

    def carry_table(self, counts: Sequence[int]) -> bytes:
        """C_m for the counts of all shards together; asked of the first shard only."""
        if self._round != 1 or self._carried is not None:
            raise LocalFault(ProofCode.BLINDERS_REUSED, "table", done=self._round)
        self._carried = Masked([*counts, *[0] * (self._layout.size - TABLE_SIZE)], self._fresh())
        point = self._hide(self._carried.hiding)
        for value, count in enumerate(counts):
            point = point + multiply_small(self._basis.lagrange[value], count)
        return encode_point(point)

    def commit_lookups(self, alpha: int) -> list[tuple[bytes, ...]]:
        """C_f of each column of each account: f = 1/(α+D), minus m/(α+T) in the column that carries the table."""
        self._enter(2)
        self._alpha = alpha
        columns = range(self._layout.columns)
        return [tuple(self._commit_lookup(k, c) for c in columns) for k in range(len(self._accounts))]

    def sums(self, deltas: Sequence[int]) -> ShardSums:
        """Weighted sums for S and t; `deltas` are this shard's powers of δ, one an account and column."""
        self._enter(3)
        size, columns = self._layout.size, self._layout.columns
        total = _zero_sums(size, columns)
        table_products, other_products = polynomial([]), polynomial([])
        for k, account in enumerate(self._accounts):
            own = deltas[k * columns : (k + 1) * columns]
            joint = own[0]
            total.values.add(joint, self._w(account))
            for c in range(columns):
                digits, lookup = self._d(account, c), self._f(k, c)
                total.digits[c].add(joint, digits)
                total.lookups.add(1, lookup)
                digit_poly = digits.poly()
                product: Poly = lookup.poly() * digit_poly
                carried = self._table_at(k, c)
                if carried is None:
                    total.other_lookups.add(own[c], lookup)
                    other_products += product * own[c]
                else:
                    total.table_lookups.add(1, lookup)
                    total.multiplicities.add(1, carried)
                    table_products += product
                    other_products += carried.poly() * digit_poly
            total = _reduced(total)
        length = 2 * size + 2 * BLINDERS
        total.table_products = coefficients(table_products, length)
        total.other_products = coefficients(other_products, length)
        return total

    def evaluate(self, lagrange: Sequence[int], vanishing: int, zeta: int) -> list[tuple[int, ...]]:
        """D̄ = D(ζ) of each account and column, from all n Lagrange values at ζ."""
        self._enter(4)
        result = []
        for account in self._accounts:
            row = []
            for column, hidden in zip(account.witness.digits, account.hidden_d, strict=True):
                masked = (hidden[0] + hidden[1] * zeta) * vanishing
                row.append((sum(map(int.__mul__, column, lagrange)) + masked) % ORDER)
            result.append(tuple(row))
        return result

    def opening(self, weights: OpeningWeights) -> Masked:
        """Σ of f, D, W and m under the given weights."""
        self._enter(5)
        columns = self._layout.columns
        total = zero_masked(self._layout.size, BLINDERS)
        if self._carried is not None:
            total.add(weights.m, self._carried)
        for k, account in enumerate(self._accounts):
            total.add(weights.w[k], self._w(account))
            for c in range(columns):
                total.add(weights.f[k * columns + c], self._f(k, c))
                total.add(weights.d[k * columns + c], self._d(account, c))
            total = total.reduced()
        return total

    def _enter(self, number: int) -> None:
        if self._round != number - 1:
            raise LocalFault(ProofCode.BLINDERS_REUSED, "prover round", asked=number, done=self._round)
        self._round = number

    def _fresh(self) -> list[int]:
        return [self._random_scalar() for _ in range(BLINDERS)]

    def _account(self, witness: Witness) -> _Account:
        columns = range(self._layout.columns)
        return _Account(witness, [self._fresh() for _ in columns], [self._fresh() for _ in columns])

    def _table_at(self, account: int, column: int) -> Masked | None:
        """m where this column carries the table."""
        return self._carried if account == 0 and column == 0 else None

    def _buckets(self, digits: Sequence[int]) -> dict[int, Point]:
        """Σ [L_i] over the positions of each digit; what is left of ΣL_i = [1] is the digit zero's."""
        buckets: dict[int, Point] = {}
        lagrange = self._basis.lagrange
        rest = GENERATOR
        for position, digit in enumerate(digits):
            if digit:
                found = buckets.get(digit)
                buckets[digit] = lagrange[position] if found is None else found + lagrange[position]
        for point in buckets.values():
            rest = rest + -point
        buckets[0] = rest
        return buckets

    def _commit_digits(self, account: _Account) -> tuple[bytes, ...]:
        commitments = []
        for column, hidden in zip(account.witness.digits, account.hidden_d, strict=True):
            point = self._hide(hidden)
            for digit, bucket in self._buckets(column).items():
                point = point + multiply_small(bucket, digit)
            commitments.append(encode_point(point))
        return tuple(commitments)

    def _commit_lookup(self, k: int, c: int) -> bytes:
        account, carried = self._accounts[k], self._table_at(k, c)
        buckets = self._buckets(account.witness.digits[c])
        if carried is not None:
            for value, count in enumerate(carried.values[:TABLE_SIZE]):
                taken = multiply_small(self._basis.lagrange[value], count)
                buckets[value] = buckets.get(value, infinity()) + -taken
        inverses = batch_inverse([self._alpha + digit for digit in buckets])
        points = [*buckets.values(), *self._basis.hiding[:BLINDERS]]
        return encode_point(multi_scalar(points, [*inverses, *account.hidden_f[c]]))

    def _hide(self, hidden: Sequence[int]) -> Point:
        return multi_scalar(self._basis.hiding[: len(hidden)], hidden)

    def _d(self, account: _Account, column: int) -> Masked:
        return Masked(list(account.witness.digits[column]), account.hidden_d[column])

    def _w(self, account: _Account) -> Masked:
        values = account.witness.values
        return Masked([*values, *[0] * (self._layout.size - len(values))], list(account.witness.blinders))

    def _f(self, k: int, c: int) -> Masked:
        account, carried = self._accounts[k], self._table_at(k, c)
        digits = account.witness.digits[c]
        distinct = sorted({*digits, *range(TABLE_SIZE)})
        inverses = dict(zip(distinct, batch_inverse([self._alpha + digit for digit in distinct]), strict=True))
        values = [inverses[digit] for digit in digits]
        if carried is not None:
            for value, count in enumerate(carried.values[:TABLE_SIZE]):
                values[value] = (values[value] - count * inverses[value]) % ORDER
        return Masked(values, account.hidden_f[c])


def _zero_sums(size: int, columns: int) -> ShardSums:
    def zero() -> Masked:
        return zero_masked(size, BLINDERS)

    return ShardSums([zero() for _ in range(columns)], zero(), zero(), zero(), zero(), zero(), [], [])


def add_sums(left: ShardSums, right: ShardSums) -> ShardSums:
    """The sums of two shards together."""
    for mine, other in zip(left.digits, right.digits, strict=True):
        mine.add(1, other)
    left.values.add(1, right.values)
    left.multiplicities.add(1, right.multiplicities)
    left.lookups.add(1, right.lookups)
    left.table_lookups.add(1, right.table_lookups)
    left.other_lookups.add(1, right.other_lookups)
    left.table_products = [a + b for a, b in zip(left.table_products, right.table_products, strict=True)]
    left.other_products = [a + b for a, b in zip(left.other_products, right.other_products, strict=True)]
    return _reduced(left)


def _reduced(sums: ShardSums) -> ShardSums:
    return ShardSums(
        [column.reduced() for column in sums.digits],
        sums.values.reduced(),
        sums.multiplicities.reduced(),
        sums.lookups.reduced(),
        sums.table_lookups.reduced(),
        sums.other_lookups.reduced(),
        [value % ORDER for value in sums.table_products],
        [value % ORDER for value in sums.other_products],
    )
