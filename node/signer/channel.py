"""The channel between a node and its signer process: the address (`unix:PATH` or `tcp:HOST:PORT`), and the requests.

Rule: a Unix socket is open to its owner only; a path that exists and answers is never taken over. A request names the
step and its value, never bytes to sign; the signer makes the digest. Nothing is read as a message before both ends are
proven. SIGMA: fresh X25519 keys, each end signs both of them under its role, and the signature travels encrypted; then
ChaCha20-Poly1305 frames, numbered per direction, so that a frame that is changed, repeated or left out ends the
channel. Calls block, each with a time limit.
"""

import os
import socket
import time
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Annotated

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from clearing.base import ed25519
from clearing.base.certificate import VoteKind
from clearing.base.codec import U32, U63, Bytes32, Wire
from clearing.base.errors import LocalFault
from clearing.base.hashing import tagged_hash
from consensus.messages import Extension, PolRound, Round
from member.codes import NodeCode

BACKLOG = 8


def dial(address: str, seconds: float) -> socket.socket:
    """A connected socket. Raises LocalFault: SIGNER_SILENT, CONFIG_VALUE for what is no address."""
    family, place = _parsed(address)
    link = socket.socket(family, socket.SOCK_STREAM)
    try:
        link.settimeout(seconds)
        link.connect(place)
        _tune(link)
    except OSError as error:
        link.close()
        raise LocalFault(NodeCode.SIGNER_SILENT, address, why=str(error)) from None
    return link


def listen(address: str) -> socket.socket:
    """A listening socket. Raises LocalFault CONFIG_VALUE when the address is taken or unusable."""
    family, place = _parsed(address)
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family == socket.AF_UNIX:
            _bind_unix(listener, Path(str(place)))
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(place)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise LocalFault(NodeCode.CONFIG_VALUE, "signer.address", address=address, why=str(error)) from None
    except LocalFault:
        listener.close()
        raise
    return listener


def accept(listener: socket.socket) -> socket.socket:
    """The next connection. Raises OSError when the listener is closed."""
    link, _ = listener.accept()
    _tune(link)
    return link


def address_of(listener: socket.socket) -> str:
    """What to dial, with the port that the system chose."""
    name = listener.getsockname()
    return f"unix:{name}" if listener.family == socket.AF_UNIX else f"tcp:{name[0]}:{name[1]}"


def _parsed(address: str) -> tuple[socket.AddressFamily, str | tuple[str, int]]:
    scheme, _, rest = address.partition(":")
    if scheme == "unix" and rest:
        return socket.AF_UNIX, rest
    host, _, port = rest.rpartition(":")
    if scheme == "tcp" and host and port.isascii() and port.isdigit() and int(port) <= 65535:
        return socket.AF_INET6 if ":" in host else socket.AF_INET, (host.strip("[]"), int(port))
    raise LocalFault(NodeCode.CONFIG_VALUE, "signer.address", address=address)


def _bind_unix(listener: socket.socket, path: Path) -> None:
    if path.is_socket():
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1.0)
            if probe.connect_ex(str(path)) == 0:
                raise LocalFault(NodeCode.CONFIG_VALUE, "signer.address", address=str(path), why="in use")
        path.unlink()  # left by a signer that died
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)


def _tune(link: socket.socket) -> None:
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if link.family != socket.AF_UNIX:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class RequestKind(IntEnum):
    """Kinds of request."""

    HELLO = 1
    """Who are you, of which network. Also asked to see whether the signer still lives."""
    VOTE = 2
    PROPOSAL = 3
    EXTENSION = 4


BlsKey = Annotated[bytes, msgspec.Meta(min_length=48, max_length=48)]
VOTE_KEYS_MAX = 2
"""The voting key in use, and the next one of a rotation."""


class VoteRequest(Wire, frozen=True):
    """A BLS share of a vote, by the key that the set lists."""

    vote_key: BlsKey
    validators_hash: Bytes32
    kind: VoteKind
    height: U63
    round: Round
    value: Bytes32


class ProposalRequest(Wire, frozen=True):
    """The proposer's Ed25519 signature."""

    validators_hash: Bytes32
    height: U63
    round: Round
    pol_round: PolRound
    value: Bytes32


class ExtensionRequest(Wire, frozen=True):
    """The Ed25519 signature of a vote extension."""

    validators_hash: Bytes32
    height: U63
    round: Round
    value: Bytes32
    extension: Extension


class SignerHello(Wire, frozen=True):
    """Whose keys these are."""

    network: Bytes32
    envelope_key: Bytes32
    vote_keys: Annotated[tuple[BlsKey, ...], msgspec.Meta(min_length=1, max_length=VOTE_KEYS_MAX)]


class Request(Wire, frozen=True):
    """One question; `body` is the request of its kind, empty for HELLO."""

    number: U63
    kind: RequestKind
    body: bytes


class Answer(Wire, frozen=True):
    """To the request of this number: `data` when `code` is 0, else a stable code and why."""

    number: U63
    code: U32
    data: bytes


HANDSHAKE_TAG = "crossclear/signer-link/v1"
FRAME_BYTES_MAX = 8192
_MAGIC = b"XCSL0001"
_SEAL = 16


class SignerChannel:
    """One connected socket after the handshake. A channel that failed once is closed for good."""

    def __init__(self, link: socket.socket, send_key: bytes, receive_key: bytes) -> None:
        self._link = link
        self._out, self._in = ChaCha20Poly1305(send_key), ChaCha20Poly1305(receive_key)
        self._sent = self._received = 0

    def __enter__(self) -> "SignerChannel":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def send(self, data: bytes, seconds: float) -> None:
        """One message of at most FRAME_BYTES_MAX. Raises LocalFault SIGNER_SILENT."""
        if len(data) > FRAME_BYTES_MAX:
            raise LocalFault(NodeCode.SIGNER_CHANNEL, "message", bytes=len(data), limit=FRAME_BYTES_MAX)
        sealed = self._out.encrypt(self._sent.to_bytes(12, "big"), data, None)
        self._sent += 1
        _write(self._link, len(sealed).to_bytes(4, "big") + sealed, seconds)

    def receive(self, seconds: float | None) -> bytes:
        """The next message. Raises LocalFault: SIGNER_SILENT when late or closed, else SIGNER_CHANNEL."""
        deadline = None if seconds is None else time.monotonic() + seconds
        length = int.from_bytes(_read(self._link, 4, deadline), "big")
        if not _SEAL <= length <= FRAME_BYTES_MAX + _SEAL:
            raise LocalFault(NodeCode.SIGNER_CHANNEL, "frame", bytes=length, limit=FRAME_BYTES_MAX)
        sealed = _read(self._link, length, deadline)
        try:
            data = self._in.decrypt(self._received.to_bytes(12, "big"), sealed, None)
        except InvalidTag:
            raise LocalFault(NodeCode.SIGNER_CHANNEL, "frame", number=self._received, why="not authentic") from None
        self._received += 1
        return data

    def close(self) -> None:
        """End it. Idempotent."""
        self._link.close()


def open_as_node(link: socket.socket, secret: bytes, signer_key: bytes, seconds: float) -> SignerChannel:
    """The dialing end. Raises LocalFault: SIGNER_CHANNEL unless the other owns `signer_key`, SIGNER_SILENT."""
    deadline = time.monotonic() + seconds
    ours = X25519PrivateKey.generate()
    _write(link, _MAGIC + _public(ours), seconds)
    answer = _read(link, len(_MAGIC) + 32, deadline)
    first = _MAGIC + _public(ours)
    to_signer, to_node, transcript = _keys(ours, answer, first + answer)
    channel = SignerChannel(link, to_signer, to_node)
    _check_proof(channel.receive(deadline - time.monotonic()), transcript, "signer", lambda key: key == signer_key)
    channel.send(_proof(secret, transcript, "node"), seconds)
    return channel


def open_as_signer(
    link: socket.socket, secret: bytes, allowed: Callable[[bytes], bool], seconds: float
) -> tuple[SignerChannel, bytes]:
    """The accepting end, and the key that dialed. Raises LocalFault SIGNER_CHANNEL (key not allowed), SIGNER_SILENT."""
    deadline = time.monotonic() + seconds
    first = _read(link, len(_MAGIC) + 32, deadline)
    ours = X25519PrivateKey.generate()
    answer = _MAGIC + _public(ours)
    to_signer, to_node, transcript = _keys(ours, first, first + answer)
    _write(link, answer, seconds)
    channel = SignerChannel(link, to_node, to_signer)
    channel.send(_proof(secret, transcript, "signer"), seconds)
    return channel, _check_proof(channel.receive(deadline - time.monotonic()), transcript, "node", allowed)


def _public(secret: X25519PrivateKey) -> bytes:
    return secret.public_key().public_bytes_raw()


def _keys(ours: X25519PrivateKey, theirs: bytes, exchange: bytes) -> tuple[bytes, bytes, bytes]:
    """Key to the signer, key to the node, hash of the exchange."""
    if not theirs.startswith(_MAGIC):
        raise LocalFault(NodeCode.SIGNER_CHANNEL, "handshake", why="another protocol")
    try:
        shared = ours.exchange(X25519PublicKey.from_public_bytes(theirs[len(_MAGIC) :]))
    except ValueError:  # a point of small order
        raise LocalFault(NodeCode.SIGNER_CHANNEL, "handshake", why="bad key") from None
    transcript = tagged_hash(HANDSHAKE_TAG, exchange)
    made = HKDF(hashes.SHA256(), 64, transcript, HANDSHAKE_TAG.encode()).derive(shared)
    return made[:32], made[32:], transcript


def _proof(secret: bytes, transcript: bytes, role: str) -> bytes:
    key = ed25519.public_key(secret)
    return key + ed25519.sign(secret, tagged_hash(HANDSHAKE_TAG, transcript, role.encode(), key))


def _check_proof(proof: bytes, transcript: bytes, role: str, allowed: Callable[[bytes], bool]) -> bytes:
    key, signature = proof[:32], proof[32:]
    digest = tagged_hash(HANDSHAKE_TAG, transcript, role.encode(), key)
    if not allowed(key) or not ed25519.verify(key, digest, signature):
        raise LocalFault(NodeCode.SIGNER_CHANNEL, role, key=key.hex())
    return key


def _write(link: socket.socket, data: bytes, seconds: float) -> None:
    try:
        link.settimeout(max(seconds, 0.001))
        link.sendall(data)
    except OSError as error:
        raise LocalFault(NodeCode.SIGNER_SILENT, "send", why=str(error)) from None


def _read(link: socket.socket, count: int, deadline: float | None) -> bytes:
    """Exactly `count` bytes, however they drip, before the deadline."""
    data = bytearray()
    while len(data) < count:
        try:
            link.settimeout(None if deadline is None else max(deadline - time.monotonic(), 0.001))
            part = link.recv(count - len(data))
        except OSError as error:
            raise LocalFault(NodeCode.SIGNER_SILENT, "receive", why=str(error)) from None
        if not part:
            raise LocalFault(NodeCode.SIGNER_SILENT, "receive", why="closed")
        data += part
    return bytes(data)
