"""Restart from the log: every prefix of every log gives the state that was, the same bytes, and nothing new."""

import pytest

from consensus.blocks.store import MemoryBlockStore, restore_chain
from consensus.messages import MessageKind, read_envelope
from consensus.outputs import Broadcast, Persist
from consensus.replica.replica import Replica, ReplicaConfig
from consensus.wal import Record, read_frames
from node.signer.sign_state import SignGuard
from tests.kit.consensus.crypto import FakeSigner, FakeVerifier
from tests.kit.consensus.toy import ToyApplication
from tests.sim.consensus.network import GENESIS_MS, NETWORK, Faults, SimNetwork
from tests.sim.consensus.node import SimNode, where_is

Snapshot = tuple[int, int, bytes, str]


def reboot(node: SimNode, height: int, wal: bytes) -> tuple[Replica, list[bytes], int]:
    """A replica over the node's first `height` blocks and this log: it, what it sends, frames it writes."""
    store = MemoryBlockStore()
    for at in range(1, height + 1):
        stored = node.store.load(at)
        assert stored is not None
        store.save(at, *stored)
    application = ToyApplication(node.network.validators, node.index)
    verifier = FakeVerifier()
    chain = restore_chain(NETWORK, GENESIS_MS, application.position, application, store, verifier)
    records, good = read_frames(wal)
    assert good == len(wal)
    signer = FakeSigner(NETWORK, node.validator, SignGuard())
    replica = Replica(
        chain, application, store, signer, verifier, node.clock, ReplicaConfig(), lambda: True, recorded=records
    )
    outputs = replica.start()
    signed = (MessageKind.VOTE, MessageKind.PROPOSAL)
    said = [output.data for output in outputs if isinstance(output, Broadcast)]
    own = node.validator.envelope_key
    sent = [data for data in said if (found := read_envelope(data)).kind in signed and found.sender == own]
    return replica, sent, sum(isinstance(output, Persist) for output in outputs)


@pytest.mark.parametrize("seed", range(6))
def test_every_prefix_of_a_log_replays_to_the_state_that_was(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    snapshots: list[Snapshot] = []
    sent: set[bytes] = set()
    persist, send = SimNode._persist, SimNetwork.send

    def watch(node: SimNode, records: tuple[Record, ...]) -> None:
        persist(node, records)
        if node.replica is not None and node.replica.run.decided is None:
            height = node.replica.run.height
            if height == node.height + 1 and "NEW" not in node.where:
                snapshots.append((node.index, node.height, node.wal, node.where))

    def overhear(network: SimNetwork, sender: int, to: int, lane: object, data: bytes) -> None:
        sent.add(data)
        send(network, sender, to, lane, data)  # type: ignore[arg-type]

    monkeypatch.setattr(SimNode, "_persist", watch)
    monkeypatch.setattr(SimNetwork, "send", overhear)
    network = SimNetwork(seed, Faults(heal_ms=3000, liars=((0, "equivocator"),) if seed % 2 else ()))
    network.run()
    monkeypatch.undo()
    assert len(snapshots) > 20
    for index, height, wal, where in snapshots:
        node = network.nodes[index]
        if node.lie is not None:
            continue
        replica, repeated, frames = reboot(node, height, wal)
        assert where_is(replica) == where
        assert frames == 0
        assert repeated
        assert {data for data in repeated if data not in sent} == set()
