"""Envelope keys and libp2p peer ids, which are two spellings of one Ed25519 key.

Rule: a peer id is the identity multihash of the key's protobuf, so the key is read out of it, not looked up.
"""

from libp2p.crypto.ed25519 import Ed25519PrivateKey
from libp2p.crypto.keys import KeyPair
from libp2p.peer.id import ID

_PREFIX = bytes.fromhex("002408011220")
"""Identity multihash of 36 bytes: protobuf field 1 (key type) = Ed25519, field 2 (data) of 32 bytes."""


def key_pair(secret: bytes) -> KeyPair:
    """libp2p's key pair of a 32-byte Ed25519 secret."""
    private = Ed25519PrivateKey.from_bytes(secret)
    return KeyPair(private, private.get_public_key())


def peer_id(key: bytes) -> ID:
    """The peer id of a 32-byte envelope key."""
    return ID(_PREFIX + key)


def envelope_key(peer: bytes) -> bytes | None:
    """The envelope key inside a peer id's bytes; None when it is of another kind."""
    return peer[len(_PREFIX) :] if len(peer) == len(_PREFIX) + 32 and peer.startswith(_PREFIX) else None
