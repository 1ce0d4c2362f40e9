"""Epochs of the small market in which a node hides claims: it calls them something else, or leaves out who has them.

Each package passes every check by itself: vaults and their counters are those of honest epochs.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from clearing.base.codec import u256
from clearing.base.header import DepositCursor
from clearing.margin.statement.snapshot import CustodyTerm, RiskSnapshot
from proofs.epoch.package import commitments_root
from proofs.epoch.prover import commit_epoch, prove_epoch
from proofs.linear.prover import random_scalar
from tests.kit.proofs import small_market as market

Holdings = tuple[tuple[int, tuple[int, ...]], ...]
HIDDEN = 5_000
IDLE = (7, (3_000, 0, 0, 0))
"""An account without positions, so that it may be left out alone."""


def holdings_of(*, idle: bool = True, cash: int = 0) -> Holdings:
    """With the idle account or without it; account 1 with so much more cash."""
    first, second, *others = market.HOLDINGS
    richer = (second[0], (second[1][0] + cash, *second[1][1:]))
    return (first, richer, *others, *([IDLE] if idle else []))


def shot_of(epoch: int, holdings: Holdings, label: str | None = None, **changes: Any) -> RiskSnapshot:
    """The snapshot of an epoch whose vaults have what they had before: what is not owed has this label instead."""
    shot, whole = market.snapshot(holdings), market.statement(holdings_of())
    custody = tuple(
        msgspec.structs.replace(
            term,
            block_number=100 * epoch + term.chain_id,
            block_hash=bytes([term.chain_id, *[epoch] * 31]),
            **(counted_as(label, term, honest) if label else {}),
        )
        for term, honest in zip(shot.statement.custody, whole.custody, strict=True)
    )
    stated = {"epoch": epoch, "height": 10 * epoch, "state_root": bytes([epoch]) * 32, "custody": custody}
    return msgspec.structs.replace(shot, statement=msgspec.structs.replace(shot.statement, **{**stated, **changes}))


def counted_as(label: str, term: CustodyTerm, honest: CustodyTerm) -> dict[str, bytes]:
    less = (honest.held - term.held) * term.unit
    kept = {name: getattr(honest, name) for name in ("deposited", "withdrawn", "balance")}
    return {**kept, label: u256(int.from_bytes(getattr(term, label), "big") + less)}


def package_of(
    epoch: int,
    holdings: Holdings,
    label: str | None = None,
    cursors: Sequence[DepositCursor] = (),
    scalars: Callable[[], int] = random_scalar,
    **changes: Any,
) -> bytes:
    shot = shot_of(epoch, holdings, label, **changes)
    keys = market.seeds(holdings)
    stated = shot.statement
    head = {
        "network": stated.network,
        "height": stated.height + 3,
        "time_ms": 1_584_000_000_000 + stated.height + 3,
        "commitments_height": stated.height,
        "epoch": epoch,
        "deposit_cursors": tuple(cursors),
    }
    root = commitments_root(stated, commit_epoch(shot, keys, market.N), market.N)
    return prove_epoch(shot, keys, *market.certified(root, **head), domain=market.N, scalars=scalars)
