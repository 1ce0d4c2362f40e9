"""The prover's work that is independent per account: a shard holds some accounts through all rounds of one proof.

Rule: blinders are single-use: each round may be asked for once, in order; a retry is a new shard. They are OS
randomness, or come from keys of one proof (`proofs.linear.blinding`), with which a new shard that is asked the same
gives the same answers. Between rounds a shard keeps digits, values and blinders only; everything else is recomputed
from them. What it returns are commitments and sums over its accounts, so shards can live in other processes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from clearing.base.errors import LocalFault
from proofs.algebra.coset import integers_of, zero_limbs
from proofs.algebra.domain import TABLE_SIZE
from proofs.algebra.field import ORDER, batch_inverse
from proofs.algebra.group import GENERATOR, Point, encode_point, infinity, multi_scalar, multiply_small
from proofs.algebra.polynomial import Masked
from proofs.algebra.srs import Basis
from proofs.errors import ProofCode
from proofs.linear.blinding import KeyedScalars, ShardKeys
from proofs.linear.layout import ProofLayout
from proofs.linear.statement import Witness
from proofs.linear.sums import BLINDERS, DigitColumn, Lookups, ShardSums, Summing, add_scaled

RandomScalar = Callable[[], int]
Advance = Callable[[int], None]
"""Called with how many accounts a round has done since the last call."""
ROUNDS = 5


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
    columns: list[DigitColumn]
    hidden_d: list[list[int]]
    hidden_f: list[list[int]]


def _silent(_: int) -> None:
    """No progress is wanted."""


class Shard:
    """Some accounts of one proof; the first shard also carries the table, that is m, for all of them.

    Rounds: commit_digits, (carry_table), commit_lookups, sums, evaluate, opening.
    """

    def __init__(
        self,
        layout: ProofLayout,
        basis: Basis,
        witnesses: Sequence[Witness],
        random_scalar: RandomScalar,
        advance: Advance = _silent,
        keys: ShardKeys | None = None,
    ) -> None:
        """With `keys`, one for each witness, nothing is drawn from `random_scalar`. Raises LocalFault BAD_LENGTH."""
        if keys is not None and len(keys.accounts) != len(witnesses):
            raise LocalFault(ProofCode.BAD_LENGTH, "shard keys", keys=len(keys.accounts), accounts=len(witnesses))
        self._layout = layout
        self._basis = basis
        self._round = 0
        self._carried: Masked | None = None
        self._random_scalar = random_scalar
        self._advance = advance
        self._keys = keys
        self._accounts = [self._account(k, witness) for k, witness in enumerate(witnesses)]

    def commit_digits(self) -> tuple[list[tuple[bytes, ...]], list[int]]:
        """(C_D of each column of each account, how often each byte occurs in all of them)."""
        self._enter(1)
        counts = [0] * TABLE_SIZE
        for account in self._accounts:
            for column in account.columns:
                counts = [a + b for a, b in zip(counts, column.counts(), strict=True)]
        return [self._commit_digits(account) for account in self._each()], counts

    def carry_table(self, counts: Sequence[int]) -> bytes:
        """C_m for the counts of all shards together; asked of the first shard only."""
        if self._round != 1 or self._carried is not None:
            raise LocalFault(ProofCode.BLINDERS_REUSED, "table", done=self._round)
        self._carried = Masked([*counts, *[0] * (self._layout.size - TABLE_SIZE)], _fresh(self._of_table()))
        return encode_point(self._hide(self._carried.hiding) + multi_scalar(self._basis.lagrange[:TABLE_SIZE], counts))

    def commit_lookups(self, alpha: int) -> list[tuple[bytes, ...]]:
        """C_f of each column of each account: f = 1/(α+D), minus m/(α+T) in the column that carries the table."""
        self._enter(2)
        self._lookups = Lookups(alpha)
        columns = range(self._layout.columns)
        return [tuple(self._commit_lookup(k, c) for c in columns) for k, _ in enumerate(self._each())]

    def sums(self, deltas: Sequence[int]) -> ShardSums:
        """Weighted sums for S and t; `deltas` are this shard's powers of δ, one an account and column."""
        self._enter(3)
        columns = self._layout.columns
        found = Summing(self._layout, self._lookups)
        for k, account in enumerate(self._each()):
            own = deltas[k * columns : (k + 1) * columns]
            found.add_values(own[0], account.witness)
            for c, column in enumerate(account.columns):
                found.add_digits(c, own[0], column, account.hidden_d[c])
                carried = self._table_at(k, c)
                if carried is None:
                    found.add_lookup(own[c], column, account.hidden_d[c], account.hidden_f[c])
                else:
                    lookup = Masked(self._adjusted(column, carried), account.hidden_f[c])
                    found.carry(lookup, carried, Masked(list(column.digits), account.hidden_d[c]))
        return found.result()

    def evaluate(self, lagrange: Sequence[int], vanishing: int, zeta: int) -> list[tuple[int, ...]]:
        """D̄ = D(ζ) of each account and column, from all n Lagrange values at ζ."""
        self._enter(4)
        result = []
        for account in self._each():
            row = []
            for column, hidden in zip(account.columns, account.hidden_d, strict=True):
                row.append((column.at(lagrange) + (hidden[0] + hidden[1] * zeta) * vanishing) % ORDER)
            result.append(tuple(row))
        return result

    def opening(self, weights: OpeningWeights) -> Masked:
        """Σ of f, D, W and m under the given weights."""
        self._enter(5)
        size, columns = self._layout.size, self._layout.columns
        total, small, hiding = zero_limbs(size), [0] * size, [0] * BLINDERS
        for k, account in enumerate(self._each()):
            add_scaled(small, weights.w[k], account.witness.values)
            add_scaled(hiding, weights.w[k], account.witness.blinders)
            for c, column in enumerate(account.columns):
                of_f, of_d = weights.f[k * columns + c], weights.d[k * columns + c]
                add_scaled(hiding, of_d, account.hidden_d[c])
                add_scaled(hiding, of_f, account.hidden_f[c])
                column.add_to(total, of_d)
                total += column.looked_up(self._lookups, of_f)
                carried = self._table_at(k, c)
                if carried is not None:
                    add_scaled(small, weights.m, carried.values)
                    add_scaled(small, -of_f, self._taken(carried))
                    add_scaled(hiding, weights.m, carried.hiding)
        return Masked([a + b for a, b in zip(integers_of(total), small, strict=True)], hiding).reduced()

    def _enter(self, number: int) -> None:
        if self._round != number - 1:
            raise LocalFault(ProofCode.BLINDERS_REUSED, "prover round", asked=number, done=self._round)
        self._round = number

    def _each(self) -> Iterator[_Account]:
        for account in self._accounts:
            yield account
            self._advance(1)

    def _of_table(self) -> RandomScalar:
        if self._keys is None:
            return self._random_scalar
        if not self._keys.table:
            raise LocalFault(ProofCode.BLINDERS_REUSED, "table", why="another shard carries it")
        return KeyedScalars(self._keys.table)

    def _account(self, k: int, witness: Witness) -> _Account:
        draw = self._random_scalar if self._keys is None else KeyedScalars(self._keys.accounts[k])
        columns = [DigitColumn(digits) for digits in witness.digits]
        return _Account(witness, columns, [_fresh(draw) for _ in columns], [_fresh(draw) for _ in columns])

    def _table_at(self, account: int, column: int) -> Masked | None:
        """m where this column carries the table."""
        return self._carried if account == 0 and column == 0 else None

    def _taken(self, carried: Masked) -> list[int]:
        """m/(α+T)."""
        return [count * inverse for count, inverse in zip(carried.values, self._lookups.inverses, strict=False)]

    def _adjusted(self, column: DigitColumn, carried: Masked) -> list[int]:
        """f of the column that carries the table."""
        values = integers_of(column.looked_up(self._lookups, 1))
        add_scaled(values, -1, self._taken(carried))
        return [value % ORDER for value in values]

    def _buckets(self, digits: Sequence[int]) -> dict[int, Point]:
        """Σ [L_i] over the positions of each digit; the rest of ΣL_i = [1] belongs to the digit zero."""
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
            commitments.append(encode_point(self._hide(hidden) + _weighted_buckets(self._buckets(column))))
        return tuple(commitments)

    def _commit_lookup(self, k: int, c: int) -> bytes:
        account, carried = self._accounts[k], self._table_at(k, c)
        buckets = self._buckets(account.witness.digits[c])
        if carried is not None:
            for value, count in enumerate(carried.values[:TABLE_SIZE]):
                taken = multiply_small(self._basis.lagrange[value], count)
                buckets[value] = buckets.get(value, infinity()) + -taken
        inverses = batch_inverse([self._lookups.alpha + digit for digit in buckets])
        points = [*buckets.values(), *self._basis.hiding[:BLINDERS]]
        return encode_point(multi_scalar(points, [*inverses, *account.hidden_f[c]]))

    def _hide(self, hidden: Sequence[int]) -> Point:
        return multi_scalar(self._basis.hiding[: len(hidden)], hidden)


def _fresh(draw: RandomScalar) -> list[int]:
    return [draw() for _ in range(BLINDERS)]


def _weighted_buckets(buckets: dict[int, Point]) -> Point:
    """Σ digit·bucket: Σ over d of all buckets from d on, two additions a digit; digits above a byte are multiplied."""
    running, total = infinity(), infinity()
    for digit in range(TABLE_SIZE - 1, 0, -1):
        found = buckets.get(digit)
        if found is not None:
            running = running + found
        total = total + running
    forged = [digit for digit in buckets if not 0 <= digit < TABLE_SIZE]
    return total + multi_scalar([buckets[digit] for digit in forged], forged)
