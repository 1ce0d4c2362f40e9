"""An incremental commitment is the commitment, whatever was committed before it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.base.codec import encode
from proofs.algebra.commitment import Committer, FixedBase, commit
from proofs.algebra.field import ORDER
from proofs.algebra.group import GENERATOR, infinity, multiply
from proofs.algebra.srs import basis
from proofs.epoch.pool import CommitJob, _Serving, run_commit
from proofs.epoch.prover import commit_epoch

N = 256
TABLE = FixedBase(GENERATOR)
COMMITTER = Committer(basis(N))
VALUES = st.lists(st.one_of(st.just(0), st.integers(-(2**63), 2**64), st.sampled_from([1, 2])), max_size=12)
SCALARS = st.one_of(st.sampled_from([0, 1, ORDER - 1, 255, 256, 2**248]), st.integers(0, ORDER - 1))


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 2), VALUES, SCALARS, SCALARS), max_size=6))
def test_an_incremental_commitment_is_the_full_one(epochs):
    for account, values, rho_0, rho_1 in epochs:
        found = COMMITTER.commit(account, values, (rho_0, rho_1))
        assert found == commit(basis(N), values, (rho_0, rho_1))


@settings(max_examples=30)
@given(SCALARS)
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
        job = market_job(shot, market)
        assert run_commit(job) == commit_epoch(shot, market.seeds(), market.N)
    assert _Serving.committer is not None
    assert len(_Serving.committer._last) == 3


def market_job(shot, market) -> bytes:
    return encode(CommitJob(shot, tuple(sorted(market.seeds().items())), market.N))
