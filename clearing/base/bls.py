"""BLS12-381 signatures, minimal public keys, the proof-of-possession suite of draft-irtf-cfrg-bls-signature-05.

Rule: bytes in, bytes out. Every decoded point is checked: canonical, on the curve, in the subgroup, not infinity. In a
sum, the summands are checked to be canonical and on the curve, the sum for everything. The backend is
`py-arkworks-bls12381`; tests compare it with `py-ecc` byte by byte.
"""

from collections.abc import Sequence
from functools import lru_cache

from py_arkworks_bls12381 import GT, G1Point, G2Point, Scalar

from clearing.base.errors import BaseCode, LocalFault, RemoteFault
from clearing.base.hashing import tagged_hash

SIGNATURE_DST = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_"
POSSESSION_DST = b"BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_"
GROUP_ORDER = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
_G1 = G1Point()
_MINUS_G1 = -_G1
_INFINITY_FLAG = 0x40
_MADE_MAX = 64


def secret_from_seed(seed: bytes) -> int:
    """A secret key from at least 32 bytes of secret entropy; never 0."""
    if len(seed) < 32:
        raise LocalFault(BaseCode.OUT_OF_RANGE, "bls seed", bytes=len(seed))
    wide = tagged_hash("crossclear/bls/seed/0", seed) + tagged_hash("crossclear/bls/seed/1", seed)
    return int.from_bytes(wide, "big") % (GROUP_ORDER - 1) + 1


def public_key(secret: int) -> bytes:
    """48 bytes, compressed."""
    return (_G1 * _scalar(secret)).to_compressed_bytes()


def sign(secret: int, message: bytes) -> bytes:
    """96 bytes, compressed. Deterministic."""
    point = _message_point(message) * _scalar(secret)
    return _kept(bytes(point.to_compressed_bytes()), point)


def prove_possession(secret: int) -> bytes:
    """The signature on one's own public key under the suite's possession tag."""
    return (G2Point.hash_to_curve(public_key(secret), POSSESSION_DST) * _scalar(secret)).to_compressed_bytes()


def verify_possession(key: bytes, proof: bytes) -> bool:
    """Whether `proof` proves that the owner of `key` knows its secret. Raises RemoteFault BAD_POINT."""
    return _pairing_equal(decode_key(key), G2Point.hash_to_curve(key, POSSESSION_DST), decode_signature(proof))


def verify(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` is by `key`. Raises RemoteFault BAD_POINT for bytes that are not a point."""
    return verify_aggregate((key,), message, signature)


def aggregate(signatures: Sequence[bytes]) -> bytes:
    """Sum of signatures on one message, 96 bytes. Raises LocalFault for none, RemoteFault BAD_POINT.

    Only the sum is checked to be in the subgroup: summands outside of it that cancel out give a valid sum, and it does
    not matter who sent them. A sum costs 0.06 ms a summand, half of checking each.
    """
    if not signatures:
        raise LocalFault(BaseCode.OUT_OF_RANGE, "bls aggregate", signatures=0)
    total = _on_curve(signatures[0])
    for signature in signatures[1:]:
        total = total + _on_curve(signature)
    data = bytes(total.to_compressed_bytes())
    if data[0] & _INFINITY_FLAG or not total.is_in_subgroup():
        raise RemoteFault(BaseCode.BAD_POINT, "sum of signatures", bytes=data)
    return _kept(data, total)


def verify_aggregate(keys: Sequence[bytes], message: bytes, signature: bytes) -> bool:
    """Whether `signature` is the sum of each key's signature on the one `message`.

    Sound only for keys with a checked proof of possession. Cost: two pairings, whatever the number of keys (decoded
    keys are cached). Raises RemoteFault BAD_POINT. False for no keys.
    """
    if not keys:
        return False
    total = decode_key(keys[0])
    for key in keys[1:]:
        total = total + decode_key(key)
    return _pairing_equal(total, _message_point(message), decode_signature(signature))


@lru_cache(maxsize=4096)
def decode_key(key: bytes) -> G1Point:
    """The point of a compressed public key. Raises RemoteFault BAD_POINT."""
    # The native library ignores the bytes after an infinity flag, so encoding again must give the same bytes.
    try:
        point = G1Point.from_compressed_bytes(key)
        good = len(key) == 48 and not key[0] & _INFINITY_FLAG and point.to_compressed_bytes() == key
    except (ValueError, TypeError):
        good = False
    if not good:
        raise RemoteFault(BaseCode.BAD_POINT, "public key", bytes=key)
    return point


_made: dict[bytes, G2Point] = {}
"""Points of the subgroup made here, by their bytes: checked sums, which mostly are verified next, and own signatures,
which mostly are added up next. They need not be decoded again."""


def _kept(data: bytes, point: G2Point) -> bytes:
    _made[data] = point
    if len(_made) > _MADE_MAX:
        del _made[next(iter(_made))]
    return data


def decode_signature(signature: bytes) -> G2Point:
    """The point of a compressed signature. Raises RemoteFault BAD_POINT."""
    point = _made.get(signature)
    return _in_subgroup(signature) if point is None else point


@lru_cache(maxsize=1024)
def _in_subgroup(signature: bytes) -> G2Point:
    point = _on_curve(signature)
    if not point.is_in_subgroup():
        raise RemoteFault(BaseCode.BAD_POINT, "signature", bytes=signature)
    return point


def _on_curve(signature: bytes) -> G2Point:
    """The point of canonical bytes, without the subgroup check. Raises RemoteFault BAD_POINT."""
    made = _made.get(signature)
    if made is not None:
        return made
    try:
        point = G2Point.from_compressed_bytes_unchecked(signature)
        good = len(signature) == 96 and not signature[0] & _INFINITY_FLAG and point.to_compressed_bytes() == signature
    except (ValueError, TypeError):
        good = False
    if not good:
        raise RemoteFault(BaseCode.BAD_POINT, "signature", bytes=signature)
    return point


def key_coordinates(key: bytes) -> tuple[bytes, bytes]:
    """Affine (x, y) of a public key, 64 bytes each as EIP-2537 pads them. Raises RemoteFault BAD_POINT."""
    xy = decode_key(key).to_xy_bytes_be()
    return bytes(16) + xy[:48], bytes(16) + xy[48:]


def negative_sum(points: Sequence[bytes]) -> bytes:
    """What cancels out with the sum of public keys; all are 128 bytes (x, y), as in EIP-2537.

    Raises RemoteFault BAD_POINT.
    """
    total = G1Point.identity()
    for point in points:
        total = total + _g1_point(point)
    xy = (-total).to_xy_bytes_be()
    return bytes(16) + xy[:48] + bytes(16) + xy[48:]


def _g1_point(point: bytes) -> G1Point:
    """The point of coordinates: on the curve, in the subgroup, not infinity. Raises RemoteFault BAD_POINT."""
    try:
        found = G1Point.from_xy_bytes_be(point[16:64] + point[80:])
        good = len(point) == 128 and any(point) and not any(point[:16] + point[64:80])
    except (ValueError, TypeError):
        good = False
    if not good:
        raise RemoteFault(BaseCode.BAD_POINT, "coordinates", bytes=point)
    return found


def signature_coordinates(signature: bytes) -> bytes:
    """A signature as the 256 bytes (x.c0, x.c1, y.c0, y.c1) of EIP-2537. Raises RemoteFault BAD_POINT."""
    xy = decode_signature(signature).to_xy_bytes_be()
    return b"".join(bytes(16) + xy[i : i + 48] for i in range(0, 192, 48))


def signature_of_coordinates(coordinates: bytes) -> bytes:
    """The 96 bytes of a signature of which `signature_coordinates` gives these. Raises RemoteFault BAD_POINT."""
    try:
        xy = b"".join(coordinates[i + 16 : i + 64] for i in range(0, 256, 64))
        found = bytes(G2Point.from_xy_bytes_be(xy).to_compressed_bytes())
    except (ValueError, TypeError):
        found = b""
    if not found or signature_coordinates(found) != coordinates:
        raise RemoteFault(BaseCode.BAD_POINT, "coordinates", bytes=coordinates[:256])
    return found


@lru_cache(maxsize=256)
def _message_point(message: bytes) -> G2Point:
    """The message as a point. Cached: a validator signs and checks the same few digests at each height."""
    return G2Point.hash_to_curve(message, SIGNATURE_DST)


def _pairing_equal(key: G1Point, hashed: G2Point, signature: G2Point) -> bool:
    return bool(GT.pairing_check([key, _MINUS_G1], [hashed, signature]))


def _scalar(secret: int) -> Scalar:
    if not 0 < secret < GROUP_ORDER:
        raise LocalFault(BaseCode.OUT_OF_RANGE, "bls secret")
    return Scalar.from_be_bytes(secret.to_bytes(32, "big"))
