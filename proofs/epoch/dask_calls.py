"""Calls to a scheduler or worker of a Dask cluster, without Dask's reader of messages.

Rule: Dask's own client unpickles parts of almost every message, so a sender may run code in its process.
Here nothing that arrives is unpickled: a message is a few frames of bounded length, the first is MessagePack, and the
one object that is accepted in it are bytes, as they are. Who is called unpickles what this process sends: function and
arguments. Framing and handshake are those of `distributed.comm.tcp` and `distributed.protocol.core`, without
compression.
"""

import pickle
import socket
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

FRAMES_MAX = 1024
WORDS_BYTES_MAX = 1 << 16
"""Of an answer beside its bytes."""
STATE_BYTES_MAX = 4 << 20
"""Of a scheduler's account of its workers; some 2 KiB each."""
_LENGTH = struct.Struct("Q")


class BadReply(Exception):
    """A message that is none, is longer than it can be, or carries something other than bytes."""


class DaskPeer:
    """A connection to the peer at `tcp://host:port` or `tls://host:port`; one call at a time.

    `tls`: the context of a `tls:` address. Raises OSError without a connection, BadReply for another greeting. Calls
    raise these, too; the connection is of no use afterwards.
    """

    def __init__(self, address: str, tls: Any, seconds: float) -> None:
        url = urlsplit(address)
        if url.scheme not in ("tcp", "tls") or url.hostname is None or url.port is None:
            raise BadReply(f"no address: {address[:80]}")
        self._until = time.monotonic() + seconds
        self._socket = socket.create_connection((url.hostname, url.port), timeout=seconds)
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if url.scheme == "tls":
                self._socket = tls.wrap_socket(self._socket)
            python = tuple(sys.version_info)[:3]
            self._send({"compression": None, "python": python, "pickle-protocol": pickle.HIGHEST_PROTOCOL})
            self._receive(WORDS_BYTES_MAX)
        except BaseException:
            self.close()
            raise

    def workers(self, seconds: float) -> dict[str, int]:
        """Of a scheduler: its workers' addresses, with the threads of each."""
        words, more = self._ask({"op": "identity", "n_workers": -1}, STATE_BYTES_MAX, seconds)
        found = words.get("workers") if isinstance(words, dict) else None
        if more or not isinstance(found, dict):
            raise BadReply("no workers")
        threads = {}
        for address, about in sorted(found.items(), key=lambda item: str(item[0])):
            count = about.get("nthreads") if isinstance(about, dict) else None
            if not isinstance(address, str) or not isinstance(count, int):
                raise BadReply("no worker")
            threads[address] = count
        return threads

    def run(self, function: Callable[..., Any], arguments: tuple[object, ...], limit: int, seconds: float) -> bytes:
        """Of a worker: the bytes, at most `limit`, that a coroutine function of a module returns there."""
        call = {"op": "run", "function": pickle.dumps(function), "args": pickle.dumps(arguments), "wait": True}
        words, more = self._ask(call, limit + WORDS_BYTES_MAX, seconds)
        if not isinstance(words, dict) or words.get("status") != "OK" or words.get("result") != {"__Serialized__": 1}:
            raise BadReply("no answer")
        about = _unpacked(more[0]) if more else None
        if not isinstance(about, dict) or about.get("serializer") != "dask" or _is_compressed(about):
            raise BadReply("not plain bytes")
        found = b"".join(more[1:])
        if len(found) > limit:
            raise BadReply(f"{len(found)} bytes, at most {limit}")
        return found

    def close(self) -> None:
        """End it; a call under way in another thread fails."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _ask(self, call: dict[str, Any], limit: int, seconds: float) -> tuple[Any, list[bytes]]:
        """Its words, and further frames."""
        self._until = time.monotonic() + seconds
        self._send({**call, "reply": True})
        first, *more = self._receive(limit)
        return _unpacked(first), more

    def _send(self, words: dict[str, Any]) -> None:
        import msgpack

        frame: bytes = msgpack.packb(words)
        head = _LENGTH.pack(2 * _LENGTH.size + len(frame)) + _LENGTH.pack(1) + _LENGTH.pack(len(frame))
        self._socket.settimeout(self._left())
        self._socket.sendall(head + frame)

    def _receive(self, limit: int) -> list[bytes]:
        """One message. Bytes are read only after their length is known to be within the limit."""
        _, count = (_LENGTH.unpack(self._read(_LENGTH.size))[0] for _ in range(2))
        if not 1 <= count <= FRAMES_MAX:
            raise BadReply(f"{count} frames")
        lengths = struct.unpack(f"{count}Q", self._read(count * _LENGTH.size))
        if sum(lengths) > limit:
            raise BadReply(f"{sum(lengths)} bytes, at most {limit}")
        return [self._read(length) for length in lengths]

    def _read(self, length: int) -> bytes:
        found = bytearray()
        while len(found) < length:
            self._socket.settimeout(self._left())
            part = self._socket.recv(min(length - len(found), 1 << 20))
            if not part:
                raise ConnectionResetError("closed")
            found += part
        return bytes(found)

    def _left(self) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def _unpacked(frame: bytes) -> Any:
    import msgpack

    try:
        return msgpack.unpackb(frame)
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise BadReply(f"no words: {type(error).__name__}") from None


def _is_compressed(about: dict[str, Any]) -> bool:
    """Whether a frame is, or says something that is no list of compressions."""
    found = about.get("compression") or ()
    return not isinstance(found, list | tuple) or any(found)
