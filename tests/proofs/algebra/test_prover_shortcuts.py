"""The prover's shortcuts give what the plain definitions give: limbs, values on the coset, lookups, commitments."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.base.codec import encode
from clearing.base.errors import Bug, LocalFault
from proofs.algebra import coset
from proofs.algebra.commitment import CommitmentContext, Committer, FixedBase, blinders, commit
from proofs.algebra.coset import (
    SHIFT,
    balanced,
    bytes_on_coset,
    integers_of,
    interpolate_coset,
    limbs_of,
    limbs_on_coset,
    shifted_points,
    shifted_vanishing,
)
from proofs.algebra.domain import domain_of
from proofs.algebra.field import ORDER, batch_inverse, inverse
from proofs.algebra.group import GENERATOR, infinity, multiply
from proofs.algebra.polynomial import Masked, divide_by_vanishing, interpolate, polynomial
from proofs.algebra.srs import basis
from proofs.epoch.pool import CommitJob, _Serving, run_commit
from proofs.epoch.prover import commit_epoch
from proofs.linear.layout import SlotRange, lay_out
from proofs.linear.sums import TOGETHER, DigitColumn, Lookups, Summing

N = 256
LAYOUT = lay_out(N, (SlotRange(8, 0),), ())
SCALARS = st.integers(0, ORDER - 1)
EDGES = (0, 1, ORDER - 1, 2**16 - 1, 2**254, ORDER // 2, (ORDER - 1) // 0xFFFF, 0x7FFF7FFF, 0x80008000, 0xFFFF8000)


@given(st.lists(st.one_of(SCALARS, st.sampled_from(EDGES), st.integers()), min_size=1, max_size=20))
def test_limbs_hold_the_scalars(values):
    expected = [value % ORDER for value in values]
    assert integers_of(limbs_of(values)) == expected
    assert integers_of(balanced(limbs_of(values))) == expected
    assert np.abs(balanced(limbs_of(values))).max() <= 2**15


@given(st.lists(st.tuples(SCALARS, st.integers(-(2**30), 2**30)), min_size=1, max_size=20))
def test_sums_of_limbs_are_read_whatever_their_signs(terms):
    total = sum(limbs_of([value]) * weight for value, weight in terms)
    assert integers_of(total) == [sum(value * weight for value, weight in terms) % ORDER]


def direct(values, at):
    poly = interpolate([value % ORDER for value in values])
    return [int(poly(point)) for point in at]


@settings(max_examples=15)
@given(st.lists(st.one_of(SCALARS, st.sampled_from(EDGES)), min_size=N, max_size=N))
def test_values_on_the_coset_are_those_of_the_interpolant(values):
    points = shifted_points(N)
    found = integers_of(limbs_on_coset(limbs_of(values)[None])[0])
    assert found == direct(values, points)
    assert interpolate_coset(found) == interpolate(values)


@settings(max_examples=15)
@given(st.binary(min_size=N, max_size=N))
def test_bytes_on_the_coset_are_those_of_the_interpolant(data):
    assert integers_of(bytes_on_coset(np.frombuffer(data, np.uint8))) == direct(data, shifted_points(N))


def test_the_worst_limbs_of_the_largest_domain_are_exact():
    size = 2048
    worst = sum(0x8000 << (16 * i) for i in range(15)) + (0x73EC << 240)
    least = sum(0x7FFF << (16 * i) for i in range(15))
    points, generator = shifted_points(size), np.random.default_rng(5)
    for pattern in ([worst] * size, [worst, least] * (size // 2), [ORDER - 1] * size):
        assert integers_of(limbs_on_coset(limbs_of(pattern)[None])[0])[:8] == direct(pattern, points[:8])
    signs = np.where(generator.integers(0, 2, (4, 16, size)), 2.0**15, -(2.0**15))
    spectrum = np.fft.rfft(signs).transpose(2, 0, 1)
    raw = np.fft.irfft(np.matmul(spectrum, coset._kernels(size)).transpose(1, 2, 0), size)
    assert np.abs(raw - np.rint(raw)).max() < 2**-8


def test_a_transform_that_is_not_exact_stops_the_prover():
    with pytest.raises(Bug):
        coset._rounded(np.array([1.0, 2.3]))
    assert list(coset._rounded(np.array([1.01, -2.01]))) == [1, -2]


def test_the_coset_does_not_meet_the_domain():
    for size in (256, 2048):
        assert shifted_vanishing(size) != 0
        assert shifted_points(size)[1] == SHIFT * domain_of(size).omega % ORDER


@settings(max_examples=15)
@given(st.binary(min_size=N, max_size=N), SCALARS, SCALARS)
def test_a_column_of_bytes_and_one_of_any_scalars_agree(data, alpha, weight):
    if -alpha % ORDER < 256:
        return
    narrow, wide, lookups = DigitColumn(data), DigitColumn([*data[:-1], data[-1] + ORDER]), Lookups(alpha)
    assert wide.counts() == [count - (byte == data[-1]) for byte, count in enumerate(narrow.counts())]
    expected = [weight * inverse(alpha + byte) % ORDER for byte in data]
    assert integers_of(narrow.looked_up(lookups, weight)) == integers_of(wide.looked_up(lookups, weight)) == expected
    assert narrow.on_coset() == wide.on_coset() == direct(data, shifted_points(N))
    totals = [limbs_of([7] * N), limbs_of([7] * N)]
    narrow.add_to(totals[0], weight)
    wide.add_to(totals[1], weight)
    assert integers_of(totals[0]) == integers_of(totals[1]) == [(7 + weight * byte) % ORDER for byte in data]


def quotient_of(columns, alpha, owns, hidden):
    """Σ own·[f(α + D) − 1] / Z_H by polynomial division."""
    total = polynomial([])
    for digits, own, (d, g) in zip(columns, owns, hidden, strict=True):
        f = Masked(batch_inverse([alpha + digit for digit in digits]), list(g)).poly()
        total += (f * (Masked(list(digits), list(d)).poly() + polynomial([alpha])) - polynomial([1])) * own
    found, exact = divide_by_vanishing(total, N)
    assert exact
    return found


@settings(max_examples=6)
@given(st.data(), st.integers(1, TOGETHER + 3), st.booleans())
def test_the_quotient_of_many_lookups_is_that_of_polynomial_division(data, count, forged):
    scalar = lambda: data.draw(SCALARS)  # noqa: E731
    alpha = data.draw(st.integers(1, ORDER - 2**20))
    columns = [list(data.draw(st.binary(min_size=N, max_size=N))) for _ in range(count)]
    if forged:
        columns[-1][3] = 70_000
    owns, hidden = [scalar() for _ in columns], [((scalar(), scalar()), (scalar(), scalar())) for _ in columns]
    summing = [Summing(LAYOUT, Lookups(alpha)) for _ in range(2)]
    for k, (digits, own, (d, g)) in enumerate(zip(columns, owns, hidden, strict=True)):
        summing[k == 0].add_lookup(own, DigitColumn(digits), d, g)
    sums, more = (each.result() for each in summing)
    sums.add(more)
    assert sums.quotient.poly(alpha, sum(owns)) == quotient_of(columns, alpha, owns, hidden)
    lookups = [batch_inverse([alpha + digit for digit in digits]) for digits in columns]
    assert sums.lookups.reduced().values == [sum(values) % ORDER for values in zip(*lookups, strict=True)]


TABLE = FixedBase(GENERATOR)
COMMITTER = Committer(basis(N))
VALUES = st.lists(st.one_of(st.just(0), st.integers(-(2**63), 2**64), st.sampled_from([1, 2])), max_size=12)
EXPONENTS = st.one_of(st.sampled_from([0, 1, ORDER - 1, 255, 256, 2**248]), st.integers(0, ORDER - 1))


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 2), VALUES, EXPONENTS, EXPONENTS), max_size=6))
def test_an_incremental_commitment_is_the_full_one(epochs):
    for account, values, rho_0, rho_1 in epochs:
        found = COMMITTER.commit(account, values, (rho_0, rho_1))
        assert found == commit(basis(N), values, (rho_0, rho_1))


@settings(max_examples=30)
@given(EXPONENTS)
def test_a_table_gives_the_multiples_of_its_point(scalar):
    assert TABLE.times(scalar) == multiply(GENERATOR, scalar)


def test_fresh_blinders_change_a_commitment_whose_holdings_stay():
    committer = Committer(basis(N))
    first, second = committer.commit(1, [5, 6], (7, 8)), committer.commit(1, [5, 6], (9, 10))
    assert first != second
    assert committer.commit(1, [], (0, 0)) == infinity()


def test_a_closed_account_is_forgotten():
    committer = Committer(basis(N))
    committer.commit(1, [5], (1, 1))
    committer.commit(2, [5], (1, 1))
    committer.keep({2})
    assert set(committer._last) == {2}
    assert committer.commit(1, [6], (1, 1)) == commit(basis(N), [6], (1, 1))


def test_a_worker_commits_epoch_after_epoch_as_one_that_begins(market, monkeypatch):
    monkeypatch.setattr(_Serving, "committer", None)
    monkeypatch.setattr(_Serving, "domain", 0)
    shots = [market.snapshot(), market.snapshot(((0, (5_001, 10, 0, 3)), (1, (9_000, 40, -2, 0)))), market.snapshot()]
    for shot in shots:
        job = CommitJob(shot, tuple(sorted(market.seeds().items())), market.N)
        assert run_commit(encode(job)) == commit_epoch(shot, market.seeds(), market.N)
    assert _Serving.committer is not None
    assert len(_Serving.committer._last) == 3


def test_blinders_follow_from_a_seed_of_32_bytes():
    context = CommitmentContext(bytes(32), 1, 1, bytes(32), 0)
    own, again, other = (blinders(seed, context) for seed in (bytes(32), bytes(32), b"\1" * 32))
    assert own == again
    assert len({*own, *other}) == 4
    with pytest.raises(LocalFault):
        blinders(bytes(31), context)
