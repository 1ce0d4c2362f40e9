"""Packages of several epochs of the small market, one every ten heights, that are one history together."""

from collections.abc import Callable
from typing import Any

import msgspec

from clearing.base.certificate import Certificate
from clearing.base.codec import u256
from clearing.base.header import Header
from clearing.base.validators import ValidatorSet
from clearing.margin.statement.snapshot import RiskSnapshot
from proofs.epoch.package import commitments_root
from proofs.epoch.prover import commit_epoch, prove_epoch
from proofs.linear.prover import random_scalar
from tests.kit.proofs import small_market as market

SPACING = 10
BUSY = 10**9
"""Base units that come and go in an epoch, no matter who holds what."""


def shot_of(epoch: int, holdings: Any = None, **changes: Any) -> RiskSnapshot:
    """The snapshot of an epoch: one every ten heights."""
    shot = market.snapshot(holdings or market.HOLDINGS)
    custody = tuple(
        msgspec.structs.replace(
            term,
            block_number=100 * epoch + term.chain_id,
            block_hash=bytes([term.chain_id, *[epoch] * 31]),
            deposited=u256(int.from_bytes(term.deposited, "big") + BUSY * epoch),
            withdrawn=u256(int.from_bytes(term.withdrawn, "big") + BUSY * epoch),
        )
        for term in shot.statement.custody
    )
    fields = {"epoch": epoch, "height": SPACING * epoch, "state_root": bytes([epoch]) * 32, "custody": custody}
    return msgspec.structs.replace(shot, statement=msgspec.structs.replace(shot.statement, **{**fields, **changes}))


def head_of(shot: RiskSnapshot, root: bytes, **changes: Any) -> tuple[Header, Certificate, ValidatorSet]:
    """A certified header of the snapshot, three heights after it."""
    stated = shot.statement
    fields = {
        "network": stated.network,
        "height": stated.height + 3,
        "time_ms": 1_584_000_000_000 + changes.get("height", stated.height + 3),
        "commitments_height": stated.height,
        "epoch": stated.epoch,
        "withdrawals_count": stated.epoch,
    }
    return market.certified(root, **{**fields, **changes})


def package_of(epoch: int, holdings: Any = None, *, statement: dict[str, Any] | None = None, **header: Any) -> bytes:
    """The package of an epoch. `statement`, `header`: fields that are other ones."""
    return proven(shot_of(epoch, holdings, **(statement or {})), **header)


def proven(shot: RiskSnapshot, scalars: Callable[[], int] = random_scalar, **header: Any) -> bytes:
    """The package of a snapshot."""
    keys = market.seeds()
    root = commitments_root(shot.statement, commit_epoch(shot, keys, market.N), market.N)
    return prove_epoch(shot, keys, *head_of(shot, root, **header), domain=market.N, scalars=scalars)
