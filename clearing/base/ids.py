"""Id types: plain integers or fixed bytes with a type of their own, ordered and hashable.

Rule: an id is never parsed for meaning. The state or genesis defines what it refers to.
"""

from typing import NewType

MemberId = NewType("MemberId", int)
"""A clearing member, 1 and up. 0 is the house."""

AccountId = NewType("AccountId", int)
"""An account of a member. 0 is the house account."""

AssetId = NewType("AssetId", int)
"""A token on one chain, as genesis numbers it."""

CashGroupId = NewType("CashGroupId", int)
"""A group of tokens that governance declares interchangeable as settlement cash."""

InstrumentId = NewType("InstrumentId", int)
FeedId = NewType("FeedId", int)
"""An oracle feed, for one underlying."""

RiskGroupId = NewType("RiskGroupId", int)
VenueId = NewType("VenueId", int)
ChainId = NewType("ChainId", int)
"""The EVM chain id."""

NetworkId = NewType("NetworkId", bytes)
"""32 bytes: the hash of genesis. It is inside everything that is signed."""

EvmAddress = NewType("EvmAddress", bytes)
"""20 bytes."""

Hash32 = NewType("Hash32", bytes)
"""32 bytes."""

HOUSE_MEMBER = MemberId(0)
HOUSE_ACCOUNT = AccountId(0)
FUND_ACCOUNT = AccountId(2**48 + 4)
"""Contains the members' contributions to the default fund (`clearing.default_fund`). Theirs; nobody can sign for it."""
ZERO_HASH = Hash32(bytes(32))
