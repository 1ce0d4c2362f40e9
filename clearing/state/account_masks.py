"""Masks: numbers that stand for accounts where others may not see whose they are.

Rule: a mask is a hash under the state's salt, so it is the same in every receipt and at every validator, and nobody
without the salt finds an account by trying all. A request may name an account whose holdings are for sale by its mask,
because its bidder sees no other name of it.
"""

import hmac
from collections.abc import Iterable
from functools import lru_cache

from clearing.state.state import State

MASKED = 2**62
"""Ids from here on stand for masked accounts."""
MASK_TAG = b"crossclear/masked-account/v1"
_MASK_BYTES = 5
_MASKS_CACHED = 1 << 16


@lru_cache(maxsize=_MASKS_CACHED)
def account_mask(salt: bytes, account: int, tag: bytes = MASK_TAG) -> int:
    """The mask of an account; another one under another tag. `salt`: the state's."""
    digest = hmac.digest(salt, tag + account.to_bytes(8, "big"), "sha256")
    return MASKED + int.from_bytes(digest[:_MASK_BYTES], "big")


def accounts_by_mask(state: State, accounts: Iterable[int]) -> dict[int, int]:
    """The accounts by their masks; of two with one mask the first, which is in every replica the same."""
    found: dict[int, int] = {}
    for account in accounts:
        found.setdefault(account_mask(state.salt, account), account)
    return found
