"""Members whose stress the fund has to cover, and their package."""

from proofs.epoch.package import commitments_root
from proofs.epoch.prover import commit_epoch, prove_epoch
from tests.kit.proofs.stressed import N, seeds_of

LEVERED = {  # account: cash, WETH, BTC-PERP, BTC-PUT, ETH-PERP
    1: (9 * 10**9, 0, 5_000, 0, 0),
    2: (10**9, 200_000, 0, 0, -2_000),
    3: (7 * 10**9, 0, -4_000, 10, 0),
    4: (6 * 10**9, 0, 3_500, 0, 1_000),
    5: (3 * 10**9, 10_000, 0, 0, 0),
}


MEMBERS = {1: 11, 2: 11, 3: 12, 4: 13, 5: 14}


def levered_package(market, shot, **options):
    keys = seeds_of([each.account for each in shot.accounts])
    root = commitments_root(shot.statement, commit_epoch(shot, keys, N), N)
    return prove_epoch(shot, keys, *market.certified(root), domain=N, **options)
