"""Venues that share the clearing, as genesis lists them.

Rule: a venue is a signing key with an id of its own: nobody else can tell a trade in its name or use up its trade ids.
It must not know trades.
"""

from collections.abc import Collection, Iterable
from itertools import pairwise

from clearing.base.codec import U32, U63, Bytes20, Wire
from clearing.base.errors import LocalFault
from clearing.base.units import PPM
from clearing.codes import ClearingCode

VENUES_MAX = 64
ID_CHUNK = 256
"""Trade ids whose use is kept together, as the bits of one record."""
ID_CHUNKS_MAX = 4096


class VenueTerms(Wire, frozen=True):
    """One venue. Its trade ids may come in any order within a window of `id_chunks` x 256 ids, and rise beyond it."""

    id: U63
    """At least 1. A bilateral trade may carry any number but these as a label."""
    name: str
    signer: Bytes20
    """EVM address of the key that signs its trades and statements."""
    band_ppm: U32 = 0
    """How far from the mark its trades may be priced, where that is less than the instrument's band; 0: that band."""
    fee_ppm: U32 = 0
    """Of the notional, taken from each side for the venue, rounded up."""
    fee_account: U63 = 0
    """Who is paid the fee; 0, the house, keeps it for the venue."""
    id_chunks: U32 = 256


def check_venues(venues: Iterable[VenueTerms], accounts: Collection[int]) -> None:
    """Check ids, keys and ranges. Raises LocalFault BAD_GENESIS naming the field."""
    listed = list(venues)
    ids = [venue.id for venue in listed]
    _require(len(listed) <= VENUES_MAX, "venues", len(listed))
    _require(all(a < b for a, b in pairwise(ids)), "venues", "ids must rise")
    for venue in listed:
        at = f"venues.{venue.name}"
        _require(venue.id >= 1, f"{at}.id", venue.id)
        _require(any(venue.signer), f"{at}.signer", "zero")
        _require(venue.band_ppm <= PPM and venue.fee_ppm <= PPM // 10, f"{at}.fee_ppm", venue.fee_ppm)
        _require(venue.fee_account in accounts, f"{at}.fee_account", venue.fee_account)
        _require(1 <= venue.id_chunks <= ID_CHUNKS_MAX, f"{at}.id_chunks", venue.id_chunks)


def _require(good: bool, field: str, value: int | str) -> None:
    if not good:
        raise LocalFault(ClearingCode.BAD_GENESIS, f"genesis.{field}", value=value)
