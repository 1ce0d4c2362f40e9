"""`Masks`: receipts for a reader who may see some accounts only; every other account has a mask.

Rule: members are public, and so are the accounts that genesis gives a part in every crisis. Where an account is
named beside its member it has another mask, or the default fund's calls alone would show whose every mask is.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass

from clearing.schema.terms.genesis import MEMBER_ACCOUNTS_MAX
from member.explaining.receipt_index import BESIDE_MEMBERS, T, renamed

MASKED = 2**62
"""Ids from here on stand for masked accounts; a mask is the same in every receipt and at every node."""

_MASK_TAG = b"crossclear/masked-account/v1"

_BESIDE_TAG = b"crossclear/masked-account/beside-its-member/v1"

_MASK_BYTES = 5


@dataclass(frozen=True, slots=True)
class Masks:
    """A name for every account: its own where `is_visible` and for those of the rulebook, else a hash.

    `salt`: the state's, without which nobody finds out by trying all ids.
    """

    salt: bytes
    is_visible: Callable[[int], bool]

    def __call__(self, account: int) -> int:
        """Where the account is named alone."""
        return self._name(account, _MASK_TAG)

    def beside(self, account: int) -> int:
        """Where it is named beside its member: a mask of no receipt where it is named alone."""
        return self._name(account, _BESIDE_TAG)

    def _name(self, account: int, tag: bytes) -> int:
        if account >= MEMBER_ACCOUNTS_MAX or self.is_visible(account):
            return account
        digest = hmac.digest(self.salt, tag + account.to_bytes(8, "big"), "sha256")
        return MASKED + int.from_bytes(digest[:_MASK_BYTES], "big")


def masked(receipt: T, masks: Masks) -> T:
    """The receipt for a reader who may see some accounts only."""
    return renamed(receipt, masks.beside if type(receipt) in BESIDE_MEMBERS else masks)
