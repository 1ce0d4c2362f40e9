"""Scalars of BLS12-381: integers in [0, ORDER), and the few operations on them.

Rule: a scalar from outside is 32 big-endian bytes below the order; everything else is refused, nothing is wrapped.
"""

from collections.abc import Sequence

from proofs.errors import ProofCode, VerificationFailed

ORDER = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
"""The prime order p of the groups."""
SCALAR_BYTES = 32
_GENERATOR = 7
_TWO_ADICITY = 32


def scalar_bytes(value: int) -> bytes:
    """32 big-endian bytes of a reduced scalar. Raises OverflowError for a negative one."""
    return value.to_bytes(SCALAR_BYTES, "big")


def read_scalar(data: bytes, at: str) -> int:
    """The scalar of 32 canonical bytes. Raises VerificationFailed BAD_SCALAR."""
    value = int.from_bytes(data, "big")
    if len(data) != SCALAR_BYTES or value >= ORDER:
        raise VerificationFailed(ProofCode.BAD_SCALAR, at, bytes=data)
    return value


def inverse(value: int) -> int:
    """1 / value. Raises ZeroDivisionError for zero."""
    if value % ORDER == 0:
        raise ZeroDivisionError("no inverse of zero")
    return pow(value, -1, ORDER)


def batch_inverse(values: Sequence[int], factor: int = 1) -> list[int]:
    """factor / v of each, with one inversion. Raises ZeroDivisionError when one is zero."""
    order, product = ORDER, 1
    before = []
    for value in values:
        before.append(product)
        product = product * value % order
    running = inverse(product) * factor % order
    result = []
    for value, others in zip(reversed(values), reversed(before), strict=True):
        result.append(running * others % order)
        running = running * value % order
    result.reverse()
    return result


def powers(base: int, count: int) -> list[int]:
    """1, base, base^2, …: `count` of them."""
    result = [1] * count
    for index in range(1, count):
        result[index] = result[index - 1] * base % ORDER
    return result


def inner_product(left: Sequence[int], right: Sequence[int]) -> int:
    """Sum of left[i]·right[i]. Raises VerificationFailed BAD_LENGTH for unequal lengths."""
    if len(left) != len(right):
        raise VerificationFailed(ProofCode.BAD_LENGTH, "inner product", left=len(left), right=len(right))
    return sum(map(int.__mul__, left, right)) % ORDER


def root_of_unity(size: int) -> int:
    """A primitive root of unity of order `size`, a power of two up to 2^32."""
    if size < 1 or size & (size - 1) or size > 1 << _TWO_ADICITY:
        raise ValueError(f"{size} is not a power of two up to 2^{_TWO_ADICITY}")
    return pow(_GENERATOR, (ORDER - 1) // size, ORDER)
