"""Keys and signatures of Ed25519 of which two equations, or two rules of encoding, may judge differently."""

from collections.abc import Iterator
from itertools import count
from typing import Any

from tests.vectors.proofs.runner.ed25519 import (
    BASE,
    NEUTRAL,
    ORDER,
    Point,
    Q,
    added,
    challenge,
    decoded,
    encoded,
    times,
)

SECRET, NONCE = 0x5EC2E7, 0x0017CE
"""Of no one's: so that every run makes the same."""


def eighth() -> Point:
    """A point of order 8."""
    for y in count(2):
        point = decoded(y.to_bytes(32, "little"))
        if point is not None:
            found = times(ORDER, point)
            if times(4, found) != NEUTRAL:
                return found
    raise AssertionError


T = eighth()
PURE, MIXED = times(SECRET, BASE), added(times(SECRET, BASE), T)
NONCE_PURE, NONCE_MIXED = times(NONCE, BASE), added(times(NONCE, BASE), T)


def signed(key: bytes, nonce: bytes, message: bytes, more: int = 0) -> bytes:
    """R and the S of the secret numbers, whatever the encodings say; `more` is added to S."""
    return nonce + ((NONCE + challenge(nonce, key, message) * SECRET) % ORDER + more).to_bytes(32, "little")


def case(says: str, key: bytes, message: bytes, signature: bytes, *, holds: bool = False) -> dict[str, Any]:
    found = {"says": says, "key": key.hex(), "message": message.hex(), "signature": signature.hex()}
    return {**found, "holds": "yes" if holds else "no"}


def searched(key: Point, nonce: Point, wanted: int) -> tuple[bytes, bytes, bytes]:
    """Key, message and signature whose challenge k has k + wanted divisible by 8."""
    keyed, point = encoded(key), encoded(nonce)
    message = next(m for n in count() if (challenge(point, keyed, m := b"%d" % n) + wanted) % 8 == 0)
    return keyed, message, signed(keyed, point, message)


def cases() -> Iterator[dict[str, Any]]:
    pure, nonce = encoded(PURE), encoded(NONCE_PURE)
    yield case("an ordinary signature", pure, b"message", signed(pure, nonce, b"message"), holds=True)
    yield case("of another message", pure, b"other", signed(pure, nonce, b"message"))
    yield case("S is S + L", pure, b"message", signed(pure, nonce, b"message", ORDER))
    with_cofactor = "holds with a cofactor alone"
    yield case("A has a part of order 8, and k divides by 8", *searched(MIXED, NONCE_PURE, 0), holds=True)
    yield case(f"A has a part of order 8: {with_cofactor}", *searched(MIXED, NONCE_PURE, 1))
    yield case("A and R have parts of order 8 that cancel out", *searched(MIXED, NONCE_MIXED, 1), holds=True)
    yield case(f"A and R have parts of order 8: {with_cofactor}", *searched(MIXED, NONCE_MIXED, 0))
    yield case(f"R has a part of order 8: {with_cofactor}", *searched(PURE, NONCE_MIXED, 0))
    for number in range(8):
        small = encoded(times(number, T))
        yield case(f"A is {number}·T, of small order", small, b"0", nonce + NONCE.to_bytes(32, "little"))
        # With R of small order and S = k·a the equation holds but for R.
        s = challenge(small, pure, b"0") * SECRET % ORDER
        yield case(f"R is {number}·T, of small order", pure, b"0", small + s.to_bytes(32, "little"))
    for number in range(2):
        over = (Q + number).to_bytes(32, "little")
        yield case(f"y of A is q + {number}", over, b"0", nonce + NONCE.to_bytes(32, "little"))
        yield case(f"y of R is q + {number}", pure, b"0", over + s.to_bytes(32, "little"))
    signed_zero = (1 | 1 << 255).to_bytes(32, "little")
    yield case("A is the neutral point with a sign", signed_zero, b"0", nonce + NONCE.to_bytes(32, "little"))
    yield case("R is the neutral point with a sign", pure, b"0", signed_zero + s.to_bytes(32, "little"))
    off = next(data for y in count(2) if decoded(data := y.to_bytes(32, "little")) is None)
    yield case("A is no point", off, b"0", nonce + NONCE.to_bytes(32, "little"))
