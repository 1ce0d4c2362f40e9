"""Frozen proof vectors and the blinders they were written with."""

import hashlib
from itertools import count
from pathlib import Path

from proofs.algebra.field import ORDER

VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "proofs" / "v1"


def counted_scalars():
    """Blinders for vectors only: SHA-256 of a counter."""
    numbers = count()
    return lambda: int.from_bytes(hashlib.sha512(b"vector" + next(numbers).to_bytes(8, "big")).digest(), "big") % ORDER
