"""`NetworkConfig`: own key and address, peers that are let in, the first message of a connection, the pre-shared key.

Rule: a peer of another network or protocol version is refused by name; strangers without the pre-shared key cannot
begin a handshake.
"""

import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from clearing.base import ed25519
from clearing.base.codec import U32, Bytes32, Wire, decode
from clearing.base.errors import CrossclearError, LocalFault, RemoteFault
from clearing.base.ids import NetworkId
from member.codes import NodeCode
from member.keys.secret_files import read_secret, write_secret
from node.config import NodeConfig
from node.p2p.codes import P2pCode
from node.signer.node_keys import NodeKeys


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer that may connect; it is dialed when `port` is not 0."""

    key: bytes
    host: str = "127.0.0.1"
    port: int = 0


PROTOCOL_VERSION = 1


@dataclass(frozen=True, slots=True, repr=False)
class NetworkConfig:
    """`secret` is the 32-byte Ed25519 secret of the envelope key. Port 0 lets the system choose."""

    secret: bytes
    network: bytes
    peers: tuple[Peer, ...]
    """Addresses to dial. Until `Network.admit` is called with the validators, these are the allow-list."""
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


HELLO_BYTES_MAX = 256


class PeerHello(Wire, frozen=True):
    """Fields may only be added with a new version: the first stays what and where it is."""

    version: U32
    network: Bytes32
    boot: Bytes32
    """Random, once a process: distinguishes a peer that restarted from one that dialed at the same moment."""


def check_hello(data: bytes, network: bytes, version: int = PROTOCOL_VERSION) -> PeerHello:
    """Read a peer's hello. Raises RemoteFault BAD_HELLO, WRONG_VERSION or WRONG_NETWORK."""
    try:
        hello = decode(data, PeerHello, HELLO_BYTES_MAX)
    except CrossclearError as fault:
        raise RemoteFault(P2pCode.BAD_HELLO, "hello", why=str(fault)) from None
    if hello.version != version:
        raise RemoteFault(P2pCode.WRONG_VERSION, "hello", theirs=hello.version, ours=version)
    if hello.network != network:
        raise RemoteFault(P2pCode.WRONG_NETWORK, "hello", theirs=hello.network, ours=network)
    return hello


_FORM = re.compile(rb"([0-9a-fA-F]{64})\r?\n?")


def read_preshared_key(path: Path) -> bytes:
    """The 32 bytes. Raises LocalFault KEY_MISSING, KEY_PERMISSIONS, KEY_FORMAT."""
    found = _FORM.fullmatch(read_secret(path))
    if found is None:
        raise LocalFault(NodeCode.KEY_FORMAT, str(path), why="64 hexadecimal digits on one line")
    return bytes.fromhex(found[1].decode())


def new_preshared_key() -> bytes:
    """32 bytes of the operating system's randomness."""
    return secrets.token_bytes(32)


def write_preshared_key(path: Path, key: bytes) -> None:
    """Write it where none is yet, as `read_preshared_key` reads it. Raises LocalFault KEY_EXISTS, KEY_PERMISSIONS."""
    write_secret(path, key.hex().encode() + b"\n")


def network_config(config: NodeConfig, network: NetworkId, keys: NodeKeys) -> NetworkConfig:
    """For `LibP2PNetwork`. Raises LocalFault KEY_MISSING, KEY_PERMISSIONS, KEY_FORMAT of a pre-shared key's file."""
    preshared = config.p2p.preshared_key_file
    return NetworkConfig(
        secret=keys.envelope,
        network=network,
        peers=tuple(Peer(bytes.fromhex(peer.key), peer.host, peer.port) for peer in config.p2p.peers),
        host=config.p2p.host,
        port=config.p2p.port,
        observers=tuple(bytes.fromhex(observer.key) for observer in config.p2p.observers),
        preshared_key=read_preshared_key(config.path(preshared)) if preshared else None,
        gossip_per_second=config.p2p.gossip_per_second,
    )
