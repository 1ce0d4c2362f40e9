"""Calls of the solvency verifier as bytes: certify an epoch's keys, submit or query one account.

Rule: it knows the contract's functions and nothing of proofs: keys, leaf and proof come as the bytes that the contract
takes. Tests compare it with the committed ABI.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from eth_abi.abi import encode

from bridge.contracts.vault import selector
from bridge.evm.hexadecimal import malformed
from clearing.base import bls
from clearing.base.codec import u256

CERTIFY = selector("certify(bytes,uint64,(uint256,bytes))")
CHECK = selector("check(bytes,bytes,uint256,bytes32[],bytes,(bytes32,bytes32,bytes32))")
SHOW = selector("show(bytes,bytes,uint256,bytes32[],bytes,(bytes32,bytes32,bytes32))")
KEYS_OF = selector("keysOf(uint256)")
_PROVEN_ACCOUNT_TYPES = ("bytes", "bytes", "uint256", "bytes32[]", "bytes", "(bytes32,bytes32,bytes32)")


@dataclass(frozen=True, slots=True)
class ProvenAccount:
    """One account of one epoch, as the contract takes it."""

    keys: bytes
    leaf: bytes
    index: int
    path: Sequence[bytes]
    proof: bytes
    presentation: tuple[bytes, bytes, bytes]
    """Purpose, r and vs, each 32 bytes: for this purpose and the one caller that was signed for."""


def certify_call(keys: bytes, time_s: int, signers: bytes, aggregate: bytes) -> bytes:
    """Submit keys and the time of their header with a quorum's signature: 32-byte bitmap, 96-byte sum.

    Raises RemoteFault BAD_POINT.
    """
    certificate = (int.from_bytes(signers, "big"), bls.signature_coordinates(aggregate))
    return CERTIFY + encode(("bytes", "uint64", "(uint256,bytes)"), (keys, time_s, certificate))


def check_call(account: ProvenAccount) -> bytes:
    """Query without a transaction; `read_checked` reads the answer."""
    return CHECK + _arguments(account)


def show_call(account: ProvenAccount) -> bytes:
    """Submit it, so that the contract logs it."""
    return SHOW + _arguments(account)


def keys_of_call(epoch: int) -> bytes:
    """The hash of the epoch's certified keys, 32 bytes; zero before they are."""
    return KEYS_OF + u256(epoch)


def read_checked(data: bytes) -> tuple[int, int, int, int]:
    """(epoch, account, shortfall, seconds of the header's time) out of the answer to `check_call`.

    Raises RemoteFault MALFORMED_ANSWER.
    """
    numbers = [int.from_bytes(data[at : at + 32], "big") for at in range(0, len(data), 32)]
    if len(data) != 128 or any(number >> 63 for number in numbers):
        raise malformed("solvency", data.hex()[:200])
    epoch, account, shortfall, time_s = numbers
    return epoch, account, shortfall, time_s


def _arguments(account: ProvenAccount) -> bytes:
    parts = (account.keys, account.leaf, account.index, list(account.path), account.proof, account.presentation)
    return encode(_PROVEN_ACCOUNT_TYPES, parts)
