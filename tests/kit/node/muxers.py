"""Two ends of a multiplexed connection."""

import random
from contextlib import asynccontextmanager

import trio
from libp2p.peer.id import ID

PEER = ID(b"\x00\x24peer")


class Pipe:
    """One end of a secured connection; what is written arrives in pieces of random sizes."""

    is_initiator = True

    def __init__(self, send: trio.MemorySendChannel, receive: trio.MemoryReceiveChannel, chance: random.Random) -> None:
        self.send, self.receive, self.chance = send, receive, chance
        self.left = b""

    async def write(self, data: bytes) -> None:
        while data:
            size = self.chance.choice((1, 11, 12, 13, 500, 40_000, 1 << 20))
            await self.send.send(data[:size])
            data = data[size:]

    async def read(self, n: int | None = None) -> bytes:
        if not self.left:
            try:
                self.left = await self.receive.receive()
            except trio.EndOfChannel:
                return b""
        taken, self.left = (self.left, b"") if n is None else (self.left[:n], self.left[n:])
        return taken

    async def close(self) -> None:
        self.send.close()


@asynccontextmanager
async def joined(first_kind: type, second_kind: type, seed: int):
    there, here = trio.open_memory_channel(4096), trio.open_memory_channel(4096)
    chance = random.Random(seed)
    first = first_kind(Pipe(there[0], here[1], chance), PEER, is_initiator=True)
    second = second_kind(Pipe(here[0], there[1], chance), PEER, is_initiator=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(first.start)
        nursery.start_soon(second.start)
        await first.event_started.wait()
        await second.event_started.wait()
        yield first, second
        nursery.cancel_scope.cancel()
