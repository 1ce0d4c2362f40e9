"""Fixed bytes with a type of their own, and the ids that every network has.

Rule: members, accounts, assets, feeds and the like have plain integers as ids, as genesis numbers them. An id is never
parsed for meaning. The state or genesis defines what it refers to.
"""

from typing import NewType

NetworkId = NewType("NetworkId", bytes)
"""32 bytes: the hash of genesis. It is inside everything that is signed."""

EvmAddress = NewType("EvmAddress", bytes)
"""20 bytes."""

Hash32 = NewType("Hash32", bytes)
"""32 bytes."""

HOUSE_MEMBER = 0
"""The clearing house itself; members are numbered from 1."""
HOUSE_ACCOUNT = 0
FUND_ACCOUNT = 2**48 + 4
"""Contains the members' contributions to the default fund (`clearing.default_fund`). Theirs; nobody can sign for it."""
ZERO_HASH = Hash32(bytes(32))
