"""What frozen vectors are made with: blinders out of a counter, and the book of the packages with a default fund."""

import hashlib
from collections.abc import Callable
from itertools import count
from pathlib import Path

from clearing.base.codec import u256
from clearing.base.evm.storage import BalanceLocation, BalanceOrder
from proofs.algebra.field import ORDER

VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "proofs" / "v2" / "good"
SUMS = "SHA256SUMS"
NODE_SECRET = bytes([0x31]) * 32
BOOK = {1: (10**11, 2_000_000, 400, -20, 90), 2: (5 * 10**10, 0, -300, 10, 40), 5: (4 * 10**10, 0, 50, 0, -60)}
MEMBERS = {1: 1, 2: 1, 5: 2}
PLACE = BalanceLocation(BalanceOrder.KEY_FIRST, u256(9), 255)


def counted_scalars() -> Callable[[], int]:
    """Blinders for vectors only: SHA-512 of a counter."""
    numbers = count()
    return lambda: int.from_bytes(hashlib.sha512(b"vector" + next(numbers).to_bytes(8, "big")).digest(), "big") % ORDER
