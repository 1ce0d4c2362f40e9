"""Words of the contract ABI, decoded strictly.

Rule: a number outside of its type, or bytes too few or too many, are refused; nothing is cut off.
"""

from dataclasses import dataclass
from typing import Protocol

from clearing.base.errors import RemoteFault
from clearing.base.hashing import keccak256
from node.oracle.readings import Reading
from node.oracle.source import OracleCode

WORD = 32


@dataclass(frozen=True, slots=True)
class ContractCall:
    """A call that changes nothing."""

    target: bytes
    data: bytes


class ContractPrice(Protocol):
    """One price in a chain's state. Answers are those of `calls`, in their order; None where a call reverted."""

    def calls(self) -> tuple[ContractCall, ...]:
        """What must be asked now, all at one block."""
        ...

    def read(self, answers: tuple[bytes | None, ...], block_s: int) -> Reading | None:
        """The price at the block of this time; None where the answers lead to further calls at the same block.

        Raises RemoteFault CONTRACT_PRICE_UNUSABLE.
        """
        ...


def unusable(at: str, why: str, **values: int | str) -> RemoteFault:
    """The refusal of a contract's answer."""
    return RemoteFault(OracleCode.CONTRACT_PRICE_UNUSABLE, at, why=why, **values)


def selector(signature: str) -> bytes:
    """Of a function."""
    return keccak256(signature.encode())[:4]


def word(number: int) -> bytes:
    """An argument: an unsigned number."""
    return number.to_bytes(WORD, "big")


def words(answer: bytes | None, count: int, at: str) -> list[int]:
    """Exactly so many unsigned words. Raises RemoteFault CONTRACT_PRICE_UNUSABLE."""
    if answer is None:
        raise unusable(at, "the call reverted")
    if len(answer) != count * WORD:
        raise unusable(at, "not of the form of the function", bytes=len(answer), expected=count * WORD)
    return [int.from_bytes(answer[start : start + WORD], "big") for start in range(0, len(answer), WORD)]


def unsigned(number: int, bits: int, at: str) -> int:
    """The number, if its type has it."""
    if number >> bits:
        raise unusable(at, f"no uint{bits}")
    return number


def signed(number: int, bits: int, at: str) -> int:
    """A word as a signed number of two's complement, if its type has it."""
    value = number - (1 << 256) if number >> 255 else number
    if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
        raise unusable(at, f"no int{bits}")
    return value


def address(number: int, at: str) -> bytes:
    """Twenty bytes, not all zero."""
    if not unsigned(number, 160, at):
        raise unusable(at, "no address")
    return number.to_bytes(20, "big")
