"""Paying in: the calls of a chain's token and vault, as calldata for any wallet, and the number of the deposit.

Rule: nothing is sent here, and no key of a chain is known. Addresses are 20 bytes, amounts base units of the token.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from crossclear_client.errors import BadField
from crossclear_client.typed_data import keccak256

_DEPOSITED = "0x" + keccak256(b"Deposited(uint64,address,uint64,uint256,address,bytes32)").hex()


@dataclass(frozen=True, slots=True)
class Call:
    """A transaction that a wallet sends: to whom, with which data, and how much native coin in wei."""

    to: bytes
    data: bytes
    value: int = 0


def deposit_calls(vault: bytes, token: bytes, amount: int, account: int) -> tuple[Call, Call]:
    """Allow the vault to take the amount, then pay it in for an account. Raises BadField.

    A token that changes an allowance only through zero must be allowed nothing before.
    """
    return (
        Call(token, _call("approve(address,uint256)", vault, amount)),
        Call(vault, _call("deposit(address,uint256,uint64)", token, amount, account)),
    )


def allowance_call(vault: bytes, token: bytes, owner: bytes) -> Call:
    """To be asked by `eth_call`: how many base units of the owner's token the vault may take now. Raises BadField."""
    return Call(token, _call("allowance(address,address)", owner, vault))


def native_deposit_call(vault: bytes, amount: int, account: int) -> Call:
    """Pay in native coin, `amount` in wei, for an account. Raises BadField."""
    _word(amount)
    return Call(vault, _call("depositNative(uint64)", account), amount)


def deposit_number(receipt: Mapping[str, Any], vault: bytes) -> int:
    """The number of a deposit at its vault, out of the transaction's receipt as JSON-RPC has it: with it
    `Client.deposit` follows it. Raises BadField where the vault noted none."""
    logs: Iterable[Mapping[str, Any]] = receipt.get("logs", ())
    for log in logs:
        if str(log["address"]).lower() == "0x" + vault.hex() and log["topics"][0] == _DEPOSITED:
            return int(log["topics"][1], 16)
    raise BadField("receipt", "the vault noted no deposit")


def _call(signature: str, *values: bytes | int) -> bytes:
    return keccak256(signature.encode())[:4] + b"".join(map(_word, values))


def _word(value: bytes | int) -> bytes:
    if isinstance(value, bytes):
        if len(value) != 20:
            raise BadField("address", "an address has 20 bytes")
        return value.rjust(32, b"\0")
    if not 0 <= value < 1 << 256:
        raise BadField("amount", "not in the bounds of an unsigned integer of 256 bits")
    return value.to_bytes(32, "big")
