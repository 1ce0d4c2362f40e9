"""Sealed bids that a member committed to: what it needs to reveal them, in files of mode 0600.

Rule: a bid is on disk before its commitment is sent, because a commitment that cannot be revealed costs money. Files
are in `HOME/bids`, one a commitment, and are never overwritten.
"""

import secrets
from pathlib import Path

import msgspec

from clearing.base.errors import LocalFault
from clearing.base.known_types import known_type
from clearing.schema.requests.auctions import bid_commitment
from member.codes import NodeCode
from member.keys.secret_files import make_secret_folder, read_secret, write_secret

BIDS_FOLDER = "bids"


class SavedBid(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One bid with its salt."""

    account: int
    number: int
    """Number of the default."""
    slices: int
    ask_micros: int
    salt: str
    """32 bytes in hex."""

    @property
    def commitment(self) -> bytes:
        """The hash that is sent first."""
        return bid_commitment(self.account, self.number, self.slices, self.ask_micros, bytes.fromhex(self.salt))


def save_new_bid(home: Path, account: int, number: int, slices: int, ask_micros: int) -> SavedBid:
    """A bid with a fresh salt, durable on return. Raises LocalFault KEY_PERMISSIONS."""
    bid = SavedBid(
        account=account, number=number, slices=slices, ask_micros=ask_micros, salt=secrets.token_bytes(32).hex()
    )
    folder = home / BIDS_FOLDER
    make_secret_folder(folder)
    place = len(list(folder.glob(f"{number}-{account}-*.json")))
    write_secret(folder / f"{number}-{account}-{place:06d}.json", msgspec.json.encode(bid))
    return bid


def accounts_with_bids(home: Path, number: int) -> tuple[int, ...]:
    """Accounts for which a bid in this default was saved, ordered."""
    names = (path.name.split("-") for path in (home / BIDS_FOLDER).glob(f"{number}-*-*.json"))
    return tuple(sorted({int(parts[1]) for parts in names if len(parts) == 3 and parts[1].isdigit()}))


def newest_bid(home: Path, account: int, number: int) -> SavedBid:
    """The last bid that was saved for an account and a default: it replaced the ones before.

    Raises LocalFault KEY_MISSING where there is none, KEY_FORMAT, KEY_PERMISSIONS.
    """
    found = sorted((home / BIDS_FOLDER).glob(f"{number}-{account}-*.json"))
    path = found[-1] if found else home / BIDS_FOLDER / f"{number}-{account}-000000.json"
    data = read_secret(path)
    try:
        bid = msgspec.json.decode(data, type=known_type(SavedBid))
        is_sound = len(bytes.fromhex(bid.salt)) == 32 and (bid.account, bid.number) == (account, number)
    except ValueError as error:
        raise LocalFault(NodeCode.KEY_FORMAT, str(path), why=str(error)) from None
    if not is_sound:
        raise LocalFault(NodeCode.KEY_FORMAT, str(path), why="another account, default, or length of salt")
    return bid
