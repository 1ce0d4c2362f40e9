"""Grounds: a part of the network reaches nobody outside of its group, and what was made is gone at the end."""

import os
import subprocess
import sys
from functools import partial

import pytest
import trio

from clearing.base.errors import LocalFault
from devnet.codes import DevnetCode
from tests.kit.ports import FIRST_PORT, LAST_PORT, free_ports
from tests.testnets.ground import Ground, can_make_namespaces, open_ground
from tests.testnets.manifest import Manifest, parse_manifest

LISTEN = """
import socket
listener = socket.create_server(("{host}", {port}))
print(flush=True)
while True:
    listener.accept()[0].close()
"""
DIAL = "import socket;socket.create_connection(('{host}',{port}),1).settimeout(1)"
HEAR = "import socket;s=socket.create_connection(('{host}',{port}),1);s.settimeout(1);s.recv(1)"
"""Through a relay a dial succeeds in any case: what tells is whether the other side's end is heard."""


def manifest(ground: str) -> Manifest:
    return parse_manifest({"name": "ground", "ground": ground, "validators": 3})


async def reaches(ground: Ground, dialer: int, listener: int) -> bool:
    host, port = ground.address(dialer, listener)
    code = (HEAR if ground.kind == "relays" else DIAL).format(host=host, port=port)
    done = await trio.run_process(
        [*ground.places[dialer].prefix, sys.executable, "-c", code], check=False, capture_stderr=True
    )
    return done.returncode == 0


async def picture(ground: Ground) -> set[tuple[int, int]]:
    pairs = [(first, second) for first in range(3) for second in range(3) if first != second]
    reached: set[tuple[int, int]] = set()

    async def look(pair: tuple[int, int]) -> None:
        if await reaches(ground, *pair):
            reached.add(pair)

    async with trio.open_nursery() as nursery:
        for pair in pairs:
            nursery.start_soon(look, pair)
    return reached


@pytest.mark.network
@pytest.mark.parametrize("kind", ["namespaces", "relays"])
async def test_a_parted_network_is_parted_and_a_healed_one_is_whole(kind: str) -> None:
    if kind == "namespaces" and not can_make_namespaces():
        pytest.skip("this user may make no network namespaces")
    async with open_ground(manifest(kind)) as ground, trio.open_nursery() as nursery:
        for place in ground.places:
            code = LISTEN.format(host=place.p2p_host, port=place.p2p_port)
            process = await nursery.start(
                partial(trio.run_process, [*place.prefix, sys.executable, "-c", code], stdout=subprocess.PIPE)
            )
            await process.stdout.receive_some()
        everybody = await picture(ground)
        assert len(everybody) == 6
        await ground.part([(0, 2)])
        assert await picture(ground) == {(0, 2), (2, 0)}
        await ground.part([])
        assert await picture(ground) == set()
        await ground.part([(0, 1, 2)])
        assert await picture(ground) == everybody
        nursery.cancel_scope.cancel()


@pytest.mark.network
async def test_namespaces_leave_no_card_and_no_space() -> None:
    if not can_make_namespaces():
        pytest.skip("this user may make no network namespaces")

    def made() -> list[str]:
        """Spaces and cards of this process: others on the machine come and go."""
        printed = "".join(
            subprocess.run(["ip", *words], capture_output=True, text=True, check=True).stdout
            for words in (("netns", "list"), ("-o", "link", "show", "type", "bridge"))
        )
        return [line for line in printed.splitlines() if str(os.getpid()) in line]

    before = made()

    async def fail_inside() -> None:
        async with open_ground(manifest("namespaces")) as ground:
            await ground.part([(0,), (1, 2)])
            assert made() != before
            raise LocalFault(DevnetCode.STORY_STUCK, "on purpose")

    with pytest.raises(LocalFault, match="on purpose"):
        await fail_inside()
    assert made() == before


async def test_the_relay_ends_with_its_network() -> None:
    async with open_ground(manifest("relays")) as ground:
        host, port = ground.address(0, 1)
        stream = await trio.open_tcp_stream(host, port)
        await stream.aclose()
    with pytest.raises(OSError, match="connect"):
        await trio.open_tcp_stream(host, port)


def test_free_ports_are_different_and_free() -> None:
    ports = free_ports(40) + free_ports(40)
    assert len(set(ports)) == 80, "not twice, though nobody listens on the first yet"
    assert all(FIRST_PORT <= port < LAST_PORT for port in ports)
