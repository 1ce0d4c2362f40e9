"""A validator taken one height back while the others go on: real log and sign state, real curves, in-memory network."""

from pathlib import Path

import pytest
import trio
import trio.testing

from consensus.messages import Proposal, Vote, read_envelope, read_message
from consensus.wal import RecordKind
from node.store.wal import WalFile
from tests.kit.consensus.crypto import VALIDATORS
from tests.kit.consensus.engines import Peer, check_same_chain, reach, running
from tests.kit.consensus.memory_store import MemoryBlockStore
from tests.kit.consensus.toy import ToyApplication
from tests.kit.node.memory_network import Hub


def taken_back(peer: Peer) -> tuple[int, bytes]:
    """Remove its newest block, as `rollback` does; the state is executed again. The height and the block removed."""
    newest, store, block = peer.store.height(), MemoryBlockStore(), b""
    for height in range(1, newest + 1):
        stored = peer.store.load(height)
        assert stored is not None
        if height < newest:
            store.save(height, *stored)
        block = stored[0]
    peer.store = store
    peer.application = ToyApplication(VALIDATORS, peer.index)
    return newest, block


def said(peer: Peer) -> dict[tuple[int, int, int], set[bytes]]:
    """Own messages in its log by (height, round, step): more than one is a contradiction."""
    found: dict[tuple[int, int, int], set[bytes]] = {}
    log = WalFile(peer.folder / "consensus.wal")
    for record in log.records:
        if record.kind is RecordKind.OWN:
            message = read_message(read_envelope(record.data))
            if isinstance(message, Vote | Proposal):
                step = int(message.kind) if isinstance(message, Vote) else 0
                found.setdefault((message.height, message.round, step), set()).add(record.data)
    log.close()
    return found


@pytest.mark.parametrize("at_once", [1, 4])
async def test_validators_taken_back_say_nothing_twice_and_reach_the_same_chain(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, at_once: int
) -> None:
    hub = Hub(delay=lambda _, __: 0.003)
    peers = [Peer(index, tmp_path / str(index), hub) for index in range(4)]
    chosen = peers[:at_once]
    async with running(peers) as nursery:
        for stop in (4, 9, 13):
            await reach(peers, stop)
            await trio.sleep(0.007 * stop)  # anywhere within a height
            for peer in chosen:
                await peer.kill()
            signed = [(peer.folder / "sign.state").read_bytes() for peer in chosen]
            removed = [taken_back(peer) for peer in chosen]
            assert [(peer.folder / "sign.state").read_bytes() for peer in chosen] == signed
            for peer in chosen:
                await nursery.start(peer.run)
            await reach(peers, max(height for height, _ in removed) + 2)
            for peer, (height, block) in zip(chosen, removed, strict=True):
                again = peer.store.load(height)
                assert again is not None
                assert again[0] == block, "what was final is final"
        await reach(peers, 20)
        for peer in peers:
            await peer.kill()
    check_same_chain(peers)
    for peer in peers:
        assert all(len(messages) == 1 for messages in said(peer).values())
