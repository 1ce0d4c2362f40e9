"""Where the nodes stand: addresses, what a process is started under, and the links that can be cut.

Rule: nothing outlives the `async with`. `Namespaces` needs the right to make network namespaces and bridges; `Relays`
needs nothing. A cut drops everything silently in both, so that nodes must find out by themselves.
"""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Protocol

import trio

from clearing.base.errors import LocalFault
from devnet.codes import DevnetCode
from tests.kit.ports import free_ports
from tests.testnets.manifest import Manifest

"""Below where systems take the ports of outgoing connections from."""
P2P_PORT, API_PORT = 26_600, 26_680
"""In a namespace of its own a node has the usual ports."""
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Place:
    """Where one node stands."""

    p2p_host: str
    p2p_port: int
    api_host: str
    api_port: int
    prefix: tuple[str, ...] = ()
    """What the command line of its process begins with."""


class Ground(Protocol):
    """Links are between node indices."""

    kind: str
    places: Sequence[Place]

    def address(self, dialer: int, listener: int) -> tuple[str, int]:
        """Where `dialer` reaches `listener`."""
        ...

    async def part(self, groups: Sequence[Collection[int]]) -> None:
        """Only who shares a group reaches each other; one group of all heals."""
        ...


@asynccontextmanager
async def open_ground(manifest: Manifest) -> AsyncIterator[Ground]:
    """What the manifest asks for; `auto` takes namespaces where links must be cut and the machine allows it."""
    kind = manifest.ground
    if kind == "auto":
        kind = "namespaces" if not manifest.delays and can_make_namespaces() else "relays"
    if kind == "namespaces":
        with _Bridged(len(manifest.names)) as bridged:
            yield bridged
    else:
        async with _relayed(manifest) as relayed:
            yield relayed


@dataclass(slots=True)
class _Relayed:
    """Loopback; every link goes through the relay's process."""

    places: Sequence[Place]
    ports: dict[tuple[int, int], int]
    process: trio.Process
    kind: str = "relays"
    _buffer: bytes = b""

    def address(self, dialer: int, listener: int) -> tuple[str, int]:
        return "127.0.0.1", self.ports[dialer, listener]

    async def part(self, groups: Sequence[Collection[int]]) -> None:
        pairs = [pair for pair in self.ports if not any(set(pair) <= set(group) for group in groups)]
        await self.command({"cut": pairs})

    async def command(self, order: object) -> None:
        """Give an order and wait until it is carried out. Raises LocalFault when the relay has died."""
        if self.process.stdin is None or self.process.stdout is None:
            raise LocalFault(DevnetCode.NODE_DIED, "relay")
        await self.process.stdin.send_all(json.dumps(order).encode() + b"\n")
        while b"\n" not in self._buffer:
            data = await self.process.stdout.receive_some()
            if not data:
                raise LocalFault(DevnetCode.NODE_DIED, "relay", exit_code=await self.process.wait())
            self._buffer += data
        _, _, self._buffer = self._buffer.partition(b"\n")


@asynccontextmanager
async def _relayed(manifest: Manifest) -> AsyncIterator[_Relayed]:
    count = len(manifest.names)
    pairs = list(permutations(range(count), 2))
    ports = free_ports(2 * count + len(pairs))
    places = [Place("127.0.0.1", ports[2 * index], "127.0.0.1", ports[2 * index + 1]) for index in range(count)]
    links = dict(zip(pairs, ports[2 * count :], strict=True))
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "tests.testnets.relay"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        start_new_session=True,
    )
    ground = _Relayed(places, links, process)
    own = [manifest.terms(name).latency_ms for name in manifest.names]
    try:
        options = [
            {
                "pair": (dialer, listener),
                "port": port,
                "to": places[listener].p2p_port,
                "latency_ms": manifest.latency_ms + own[dialer] + own[listener],
                "jitter_ms": manifest.jitter_ms,
            }
            for (dialer, listener), port in links.items()
        ]
        await ground.command({"links": options})
        yield ground
    finally:
        with trio.CancelScope(shield=True):
            process.kill()
            await process.wait()


def can_make_namespaces() -> bool:
    """Whether this process may make network namespaces, pairs of virtual cards and bridges."""
    probe = f"ccprobe{os.getpid()}"
    try:
        _ip("netns", "add", probe)
    except LocalFault:
        return False
    try:
        _ip("link", "add", _short("cx"), "type", "bridge")
        _ip("link", "del", _short("cx"))
    except LocalFault:
        return False
    finally:
        _ip("netns", "del", probe)
    return True


class _Bridged:
    """A namespace for each node with two cards: `m0` on the bridge of the API, `p0` on that of its group."""

    kind = "namespaces"

    def __init__(self, count: int) -> None:
        net = os.getpid() % 200
        self._count, self._api, self._peer = count, f"10.{net + 20}.0", f"10.{net + 20}.1"
        self._bridges: list[str] = []
        self.places: Sequence[Place] = [
            Place(f"{self._peer}.{index + 1}", P2P_PORT, f"{self._api}.{index + 1}", API_PORT, self._prefix(index))
            for index in range(count)
        ]

    def address(self, dialer: int, listener: int) -> tuple[str, int]:
        return self.places[listener].p2p_host, P2P_PORT

    async def part(self, groups: Sequence[Collection[int]]) -> None:
        """Every group on a bridge of its own: frames to the others reach nobody."""
        alone = [(index,) for index in range(self._count) if not any(index in group for group in groups)]
        for number, group in enumerate((*groups, *alone)):
            bridge = self._bridge(number)
            for index in group:
                _ip("link", "set", self._card("p", index), "master", bridge)

    def __enter__(self) -> "_Bridged":
        try:
            _ip("link", "add", _short("cm"), "type", "bridge")
            _ip("addr", "add", f"{self._api}.254/24", "dev", _short("cm"))
            _ip("link", "set", _short("cm"), "up")
            for index in range(self._count):
                self._settle(index)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove all of it; what was never made is passed over."""
        for index in range(self._count):
            _ip("netns", "del", self._space(index), check=False)
            # Both ends go with the namespace, but only some time later.
            for kind in ("m", "p"):
                _ip("link", "del", self._card(kind, index), check=False)
        for bridge in (_short("cm"), *self._bridges):
            _ip("link", "del", bridge, check=False)

    def _settle(self, index: int) -> None:
        space = self._space(index)
        _ip("netns", "add", space)
        _ip("-n", space, "link", "set", "lo", "up")
        for kind, inner, net, bridge in (
            ("m", "m0", self._api, _short("cm")),
            ("p", "p0", self._peer, self._bridge(0)),
        ):
            outer = self._card(kind, index)
            _ip("link", "add", outer, "type", "veth", "peer", "name", inner, "netns", space)
            _ip("-n", space, "addr", "add", f"{net}.{index + 1}/24", "dev", inner)
            _ip("-n", space, "link", "set", inner, "up")
            _ip("link", "set", outer, "master", bridge, "up")
        # Chains, if there are any, are in the namespace of the machine.
        _ip("-n", space, "route", "add", "default", "via", f"{self._api}.254")

    def _bridge(self, number: int) -> str:
        while len(self._bridges) <= number:
            name = _short(f"cb{len(self._bridges)}")
            _ip("link", "add", name, "type", "bridge")
            self._bridges.append(name)
            _ip("link", "set", name, "up")
        return self._bridges[number]

    def _space(self, index: int) -> str:
        return f"crossclear-{os.getpid()}-{index}"

    def _prefix(self, index: int) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self._space(index))

    def _card(self, kind: str, index: int) -> str:
        return _short(f"c{kind}{index}x")


def _short(name: str) -> str:
    """A card's name has 15 characters at most."""
    return f"{name}{os.getpid() % 10**7}"


def _ip(*words: str, check: bool = True) -> None:
    try:
        done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    except OSError as error:
        raise LocalFault(DevnetCode.NODE_NOT_READY, "ip", why=str(error)) from None
    if check and done.returncode:
        raise LocalFault(DevnetCode.NODE_NOT_READY, f"ip {' '.join(words)}", why=done.stderr.strip())
