"""The answers of a shard on another machine as plain bytes of a known length: points, counts and scalars, nothing else.

Rule: who asks knows the call, the layout and the number of accounts, so a good answer has exactly one length, and is
read without the words of who answers. An answer is a byte 0 and its items in order: a point 48 bytes, a count 8, a
scalar 32, big-endian. A refusal is a byte 1, the number of its code in 2 bytes, and where, at most `AT_BYTES_MAX`.
Reading builds bytes and integers only.
"""

from collections.abc import Sequence
from typing import Any

from clearing.base.errors import LocalFault
from proofs.algebra.domain import TABLE_SIZE
from proofs.algebra.field import SCALAR_BYTES
from proofs.algebra.group import POINT_BYTES
from proofs.algebra.polynomial import Masked
from proofs.errors import ProofCode
from proofs.linear.layout import ProofLayout
from proofs.linear.sums import BLINDERS, QuotientSums, ShardSums

HOLD = "hold"
COUNT_BYTES = 8
AT_BYTES_MAX = 200
_GOOD, _REFUSED = 0, 1


def answer_bytes(call: str, layout: ProofLayout, accounts: int) -> int:
    """The length of a good answer."""
    columns, masked = accounts * layout.columns, layout.size + BLINDERS
    quotient = layout.size * (1 + BLINDERS) + BLINDERS + 2 * BLINDERS - 1
    return (
        1
        + {
            HOLD: 0,
            "commit_digits": columns * POINT_BYTES + TABLE_SIZE * COUNT_BYTES,
            "commit_lookups": columns * POINT_BYTES,
            "sums": (masked * (layout.columns + 2) + quotient) * SCALAR_BYTES,
            "evaluate": columns * SCALAR_BYTES,
            "opening": masked * SCALAR_BYTES,
        }[call]
    )


def answer_bytes_max(call: str, layout: ProofLayout, accounts: int) -> int:
    """The length of the longest answer, a refusal included."""
    return max(answer_bytes(call, layout, accounts), 3 + AT_BYTES_MAX)


def encode_answer(call: str, answer: Any) -> bytes:
    """The bytes of what that call of `Shard` returned; integers are in the range of their items."""
    match call:
        case "commit_digits":
            points, counts = answer
            parts = [*_points(points), *(count.to_bytes(COUNT_BYTES, "big") for count in counts)]
        case "commit_lookups":
            parts = _points(answer)
        case "sums":
            quotient = answer.quotient
            masked = [part for each in (*answer.digits, answer.values, answer.lookups) for part in _of_masked(each)]
            parts = [*masked, *map(_scalars, (quotient.coset, *quotient.blinded, quotient.g, quotient.gd))]
        case "evaluate":
            parts = [_scalars(values) for values in answer]
        case "opening":
            parts = _of_masked(answer)
        case _:
            parts = []
    return bytes([_GOOD]) + b"".join(parts)


def encode_refusal(fault: LocalFault) -> bytes:
    """The bytes of a refusal."""
    at = fault.at.encode()[:AT_BYTES_MAX].decode(errors="ignore").encode()
    return bytes([_REFUSED]) + int(fault.code).to_bytes(2, "big") + at


def decode_answer(call: str, data: bytes, layout: ProofLayout, accounts: int) -> Any:
    """What that call of `Shard` returned. Raises LocalFault where it refused, ValueError for any other bytes."""
    if data[:1] == bytes([_REFUSED]) and 3 <= len(data) <= 3 + AT_BYTES_MAX:
        raise LocalFault(ProofCode(int.from_bytes(data[1:3], "big")), data[3:].decode())
    if data[:1] != bytes([_GOOD]) or len(data) != answer_bytes(call, layout, accounts):
        raise ValueError(f"{call}: {len(data)} bytes")
    read = _Reader(data)
    match call:
        case "commit_digits":
            points = [read.points(layout.columns) for _ in range(accounts)]
            return points, [read.integer(COUNT_BYTES) for _ in range(TABLE_SIZE)]
        case "commit_lookups":
            return [read.points(layout.columns) for _ in range(accounts)]
        case "sums":
            digits = [read.masked(layout.size) for _ in range(layout.columns)]
            values, lookups = read.masked(layout.size), read.masked(layout.size)
            coset, *blinded = (read.scalars(layout.size) for _ in range(1 + BLINDERS))
            quotient = QuotientSums(coset, blinded, read.scalars(BLINDERS), read.scalars(2 * BLINDERS - 1))
            return ShardSums(digits, values, lookups, quotient, None)
        case "evaluate":
            return [tuple(read.scalars(layout.columns)) for _ in range(accounts)]
        case "opening":
            return read.masked(layout.size)
    return None


class _Reader:
    """Items of known lengths, one after the other, after the first byte."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 1

    def take(self, length: int) -> bytes:
        self._at += length
        return self._data[self._at - length : self._at]

    def integer(self, length: int) -> int:
        return int.from_bytes(self.take(length), "big")

    def points(self, count: int) -> tuple[bytes, ...]:
        return tuple(self.take(POINT_BYTES) for _ in range(count))

    def scalars(self, count: int) -> list[int]:
        return [self.integer(SCALAR_BYTES) for _ in range(count)]

    def masked(self, size: int) -> Masked:
        return Masked(self.scalars(size), self.scalars(BLINDERS))


def _points(answer: Sequence[Sequence[bytes]]) -> list[bytes]:
    return [point for columns in answer for point in columns]


def _scalars(values: Sequence[int]) -> bytes:
    return b"".join(value.to_bytes(SCALAR_BYTES, "big") for value in values)


def _of_masked(masked: Masked) -> list[bytes]:
    return [_scalars(masked.values), _scalars(masked.hiding)]
