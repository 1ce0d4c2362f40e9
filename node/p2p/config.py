"""`NetworkConfig`: who we are, where we listen, whom we let in.

Rule: the allow-list is the peers' keys; an address is only where to dial, identity is proved by the noise handshake.
"""

from dataclasses import dataclass

from clearing.base import ed25519
from clearing.base.errors import LocalFault
from node.p2p.codes import P2pCode
from node.p2p.hello import PROTOCOL_VERSION


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer that may connect; it is dialed when `port` is not 0."""

    key: bytes
    host: str = "127.0.0.1"
    port: int = 0


@dataclass(frozen=True, slots=True, repr=False)
class NetworkConfig:
    """`secret` is the 32-byte Ed25519 secret of the envelope key. Port 0 lets the system choose."""

    secret: bytes
    network: bytes
    peers: tuple[Peer, ...]
    """Where to dial whom. Until `Network.admit` tells the validators, these are the allow-list."""
    host: str = "127.0.0.1"
    port: int = 0
    version: int = PROTOCOL_VERSION
    preshared_key: bytes | None = None
    """32 bytes that both sides must know before they may even start a handshake; None for none."""
    heartbeat_seconds: float = 1.0
    handshake_seconds: float = 5.0
    write_seconds: float = 5.0
    redial_seconds_min: float = 0.1
    redial_seconds_max: float = 1.0
    refused_seconds: float = 5.0
    """How long a peer that was refused by name is left alone."""
    gossip_per_second: int = 200
    """Gossip messages that one validator may sign each second on average, of `gossip.TOKEN_BYTES` at most each."""

    observers: tuple[bytes, ...] = ()
    """Keys that may connect to read along and sync without being validators."""

    @property
    def key(self) -> bytes:
        """Our envelope key."""
        return ed25519.public_key(self.secret)

    def check(self) -> None:
        """Raises LocalFault BAD_CONFIG."""
        keys = [peer.key for peer in self.peers]
        if len(self.secret) != 32 or len(self.network) != 32:
            raise LocalFault(P2pCode.BAD_CONFIG, "network config", why="secret and network id are 32 bytes each")
        if self.preshared_key is not None and len(self.preshared_key) != 32:
            raise LocalFault(P2pCode.BAD_CONFIG, "preshared_key", bytes=len(self.preshared_key))
        if len(set(keys)) != len(keys) or self.key in keys or any(len(key) != 32 for key in keys):
            raise LocalFault(P2pCode.BAD_CONFIG, "peers", why="keys are 32 bytes, different, and not our own")
        if any(len(key) != 32 for key in self.observers) or self.key in self.observers:
            raise LocalFault(P2pCode.BAD_CONFIG, "observers", why="keys are 32 bytes, and not our own")
