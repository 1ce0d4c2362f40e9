"""Calls of the vault and of its tokens as bytes: what is asked, and what is sent.

Rule: the only module that knows the contract's functions; signatures are held against the committed ABI by a test.
"""

from clearing.base.codec import u256
from clearing.base.hashing import keccak256


def selector(signature: str) -> bytes:
    """The first four bytes of calldata for a function such as `balanceOf(address)`."""
    return keccak256(signature.encode("ascii"))[:4]


def address_word(address: bytes) -> bytes:
    """An address as one ABI word."""
    return address.rjust(32, b"\0")


DEPOSIT_NONCE = selector("depositNonce()")
DEPOSITED = selector("deposited(address)")
WITHDRAWN = selector("withdrawn(address)")
BALANCE_OF = selector("balanceOf(address)")
APPROVE = selector("approve(address,uint256)")


def deposit_nonce_call() -> bytes:
    """How many deposits the vault took."""
    return DEPOSIT_NONCE


def deposited_call(token: bytes) -> bytes:
    """Base units of `token` credited since deployment."""
    return DEPOSITED + address_word(token)


def withdrawn_call(token: bytes) -> bytes:
    """Base units of `token` paid out since deployment."""
    return WITHDRAWN + address_word(token)


def balance_of_call(owner: bytes) -> bytes:
    """ERC-20 balance."""
    return BALANCE_OF + address_word(owner)


def approve_call(spender: bytes, amount: int) -> bytes:
    """ERC-20 approval of `amount` base units."""
    return APPROVE + address_word(spender) + u256(amount)
