"""Devnet members: their keys, and the requests they sign.

Rule: every key follows from the devnet's seed, so that a run can be repeated; none of them is worth anything elsewhere.
"""

from dataclasses import dataclass

from clearing.base import secp256k1
from clearing.base.hashing import tagged_hash
from clearing.base.ids import NetworkId
from clearing.transactions import Trade, Withdrawal
from node.keys.ring import KeyKind, new_secret

REQUEST_VALID_MS = 60_000
VENUE = 1
NAMES = ("house", "alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "mallory", "niaj")
UNSIGNED = bytes(65)


@dataclass(frozen=True, slots=True, repr=False)
class DevnetMember:
    """Member `id` has one account of the same number; the trade key is its wallet on every chain."""

    id: int
    name: str
    secret: bytes

    @property
    def address(self) -> bytes:
        """EVM address of the trade key."""
        return secp256k1.address(self.secret)


def make_members(seed: int, count: int) -> tuple[DevnetMember, ...]:
    """The house (0) and members 1 to `count`."""
    return tuple(
        DevnetMember(number, _name(number), new_secret(KeyKind.SECP256K1, devnet_entropy(seed, f"member/{number}")))
        for number in range(count + 1)
    )


def devnet_entropy(seed: int, purpose: str) -> bytes:
    """32 bytes for one purpose of one devnet."""
    return tagged_hash("crossclear/devnet/entropy/v1", seed.to_bytes(8, "big"), purpose.encode())


def signed_trade(
    network: NetworkId,
    trade_id: int,
    buyer: DevnetMember,
    seller: DevnetMember,
    instrument: int,
    lots: int,
    ticks: int,
    now_ms: int,
) -> Trade:
    """A trade that both sides signed."""
    not_after = now_ms + REQUEST_VALID_MS
    bare = Trade(VENUE, trade_id, buyer.id, seller.id, instrument, lots, ticks, not_after, UNSIGNED, UNSIGNED)
    digest = bare.digest(network)
    signatures = (secp256k1.sign_digest(side.secret, digest) for side in (buyer, seller))
    return Trade(VENUE, trade_id, buyer.id, seller.id, instrument, lots, ticks, not_after, *signatures)


def signed_withdrawal(
    network: NetworkId, member: DevnetMember, asset: int, units: int, nonce: int, now_ms: int
) -> Withdrawal:
    """A withdrawal to the member's own wallet on the asset's chain."""
    not_after = now_ms + REQUEST_VALID_MS
    bare = Withdrawal(member.id, asset, units, member.address, nonce, not_after, UNSIGNED)
    signature = secp256k1.sign_digest(member.secret, bare.digest(network))
    return Withdrawal(member.id, asset, units, member.address, nonce, not_after, signature)


def _name(number: int) -> str:
    return NAMES[number] if number < len(NAMES) else f"member-{number}"
