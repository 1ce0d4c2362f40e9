"""Cover 2: what an honest fund says, and what no prover gets past the verifier."""

import msgspec
import pytest

from clearing.base.codec import encode
from clearing.base.hashing import tagged_hash
from clearing.margin.snapshot import SNAPSHOT_TAG, RiskStatement
from clearing.margin.stress import uncovered_losses
from proofs.epoch import commit_epoch, prove_epoch
from proofs.package import commitments_root
from proofs.verify import verify_package
from tests.proofs.stressed import NETWORK, STRESSES, N, seeds_of, snapshot_of

PERP = 2
LEVERED = {  # account: cash, WETH, BTC-PERP, BTC-PUT, ETH-PERP
    1: (9 * 10**9, 0, 5_000, 0, 0),
    2: (10**9, 200_000, 0, 0, -2_000),
    3: (7 * 10**9, 0, -4_000, 10, 0),
    4: (6 * 10**9, 0, 3_500, 0, 1_000),
    5: (3 * 10**9, 10_000, 0, 0, 0),
}
MEMBERS = {1: 11, 2: 11, 3: 12, 4: 13, 5: 14}


def package_of(market, shot, **options):
    keys = seeds_of([each.account for each in shot.accounts])
    root = commitments_root(shot.statement, commit_epoch(shot, keys, N), N)
    return prove_epoch(shot, keys, *market.certified(root), domain=N, **options)


@pytest.fixture(scope="module")
def shot():
    return snapshot_of(LEVERED, MEMBERS)


@pytest.fixture(scope="module")
def covered(market, shot):
    return package_of(market, shot)


def test_a_fund_that_covers_its_two_largest_members_is_shown_to(covered, shot):
    verdict = verify_package(covered, network=NETWORK)
    assert verdict.ok, verdict.checks[-1]
    found = next(check for check in verdict.checks if check.name == "cover")
    assert "of 4 members, in 2 stress scenarios: covers what" in found.detail
    losses = [uncovered_losses(STRESSES, v[:1], v[1:2], v[2:]) for v in LEVERED.values()]
    assert all(sum(each > 0 for each in column) for column in zip(*losses, strict=True))
    assert shot.statement.cover[0].deficits == (0, 0)


def test_without_the_cover_terms_in_the_root_a_larger_fund_is_shown(market, shot, monkeypatch):
    """The house has the cash for the larger fund, so only what is certified binds its size: the real root refuses."""
    short = snapshot_of(LEVERED, MEMBERS, fund=10**9)
    stated, terms = short.statement, short.statement.cover[0]
    assert any(terms.deficits)
    shown = msgspec.structs.replace(stated, cover=shot.statement.cover)

    def digest(self):
        return tagged_hash(SNAPSHOT_TAG, encode(msgspec.structs.replace(self, cover=())))

    with monkeypatch.context() as patch:
        patch.setattr(RiskStatement, "digest", digest)
        data = package_of(market, msgspec.structs.replace(short, statement=shown))
        assert verify_package(data, network=NETWORK).ok
    assert verify_package(data, network=NETWORK).failed == "roots"
