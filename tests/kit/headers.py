"""Headers of which a test states what matters to it."""

from typing import Any

from clearing.base.hashing import sha256
from clearing.base.header import Header
from clearing.base.validators import ValidatorSet

BLOCK_MS = 1000


def make_header(
    height: int, validators: ValidatorSet, after: ValidatorSet | None = None, mark: bytes = b"", **fields: Any
) -> Header:
    """A header of a second each, with nothing in it. `mark`: what tells two of one height apart."""
    stated = {
        "network": bytes(32),
        "parent": bytes(32),
        "height": height,
        "time_ms": BLOCK_MS * height,
        "payload_root": sha256(mark),
        "module_roots": (),
        "commitments_root": bytes(32),
        "commitments_height": 0,
        "withdrawals_root": bytes(32),
        "withdrawals_count": 0,
        "exit_root": bytes(32),
        "epoch": 0,
        "validators_hash": validators.hash,
        "next_validators_hash": (after or validators).hash,
        "deposit_cursors": (),
    }
    return Header(**stated | fields)
