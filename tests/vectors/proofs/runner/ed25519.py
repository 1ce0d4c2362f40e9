"""Page "Further proofs", section "Signed answer": Ed25519 without a cofactor, in the numbers of RFC 8032."""

import hashlib

Point = tuple[int, int]
Q = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, Q) % Q
ROOT_OF_MINUS_1 = pow(2, (Q - 1) // 4, Q)
NEUTRAL: Point = (0, 1)


def added(a: Point, b: Point) -> Point:
    k = D * a[0] * b[0] * a[1] * b[1] % Q
    x, y = a[0] * b[1] + b[0] * a[1], a[1] * b[1] + a[0] * b[0]
    return x * pow(1 + k, -1, Q) % Q, y * pow(1 - k, -1, Q) % Q


def times(number: int, point: Point) -> Point:
    found = NEUTRAL
    while number:
        if number & 1:
            found = added(found, point)
        point, number = added(point, point), number >> 1
    return found


def decoded(data: bytes) -> Point | None:
    """A point of its canonical encoding; None for what is none."""
    number = int.from_bytes(data, "little")
    y, sign = number % 2**255, number >> 255
    square = (y * y - 1) * pow(D * y * y + 1, -1, Q) % Q
    x = pow(square, (Q + 3) // 8, Q)
    if (x * x - square) % Q:
        x = x * ROOT_OF_MINUS_1 % Q
    if y >= Q or (x * x - square) % Q or (x == 0 and sign):
        return None
    return (Q - x if x & 1 != sign else x), y


def encoded(point: Point) -> bytes:
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


BASE = decoded((4 * pow(5, -1, Q) % Q).to_bytes(32, "little")) or NEUTRAL


def challenge(nonce: bytes, key: bytes, message: bytes) -> int:
    return int.from_bytes(hashlib.sha512(nonce + key + message).digest(), "little") % ORDER


def verify(key: bytes, message: bytes, signature: bytes) -> bool:
    a, r, s = decoded(key), decoded(signature[:32]), int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= ORDER or NEUTRAL in (times(8, a), times(8, r)):
        return False
    return times(s, BASE) == added(r, times(challenge(signature[:32], key, message), a))
