"""Replays of what nodes left on their disks: logs cut anywhere, and the whole chain by a stranger."""

from random import Random
from typing import TYPE_CHECKING, Any

from clearing.base.header import Header
from clearing.base.validators import ValidatorSet
from consensus.application import Application, AppRoots, ExecutionContext
from consensus.blocks.executor import BlockExecutor
from consensus.blocks.store import restore_chain
from consensus.messages import read_envelope, read_message
from consensus.outputs import Broadcast, Persist
from consensus.replica.replica import Replica
from consensus.signing import CertificateCache
from consensus.wal import split_frames
from node.signer.sign_state import SignGuard
from tests.kit.consensus.crypto import FakeSigner, FakeVerifier
from tests.kit.consensus.memory_store import MemoryBlockStore
from tests.kit.consensus.replicas import GENESIS_MS
from tests.sim.violation import require

if TYPE_CHECKING:
    from tests.sim.consensus.node import SimNode

CUTS = 2


class Watched:
    """An application that notes who is accused, and refuses to commit when it is only looked at."""

    def __init__(self, behind: Application, *, frozen: bool) -> None:
        self._behind = behind
        self._frozen = frozen
        self.accused: set[bytes] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._behind, name)

    def process(self, context: ExecutionContext, payload: bytes) -> AppRoots:
        self.accused |= {each.envelope_key for each in context.misbehaviour}
        return self._behind.process(context, payload)

    def commit(self, header: Header) -> ValidatorSet:
        require(not self._frozen, "a part of a log decided what the whole did not", height=header.height)
        return self._behind.commit(header)


class _Log:
    """A part of a log, as a signer stands beside it."""

    def __init__(self, data: bytes) -> None:
        frames, _ = split_frames(data)
        self.records = [record for frame in frames for record in frame]
        self.frames = len(frames)


def check_prefixes(node: "SimNode", random: Random) -> int:
    """Replay the whole log of a running node, and two prefixes of it; how many were replayed.

    The whole gives the state that is; no prefix says anything but what was said, or makes anything new.
    """
    replica, log = node.replica, node.wal
    if replica is None or node.log is None or replica.run.records or replica.run.decided is not None:
        return 0
    if replica.run.height != node.height + 1 or not replica.run.state.running:
        return 0
    replica_log = _Log(log)
    if any(record.height == replica.run.height for record in replica_log.records):
        found = _replay(node, replica_log)
        for name in ("round", "step", "locked_round", "locked_value", "valid_round", "valid_value"):
            there, here = getattr(found.run.state, name), getattr(replica.run.state, name)
            require(there == here, f"{name} is not what the log gives", node=node.index, is_=here, given=there)
    cuts = [random.randint(0, len(log)) for _ in range(CUTS)]
    for cut in cuts:
        _replay(node, _Log(log[:cut]))
    return 1 + len(cuts)


def _replay(node: "SimNode", log: _Log) -> Replica:
    """A replica from this log on the node's disk as it is; nothing of it is kept."""
    assert node.replica is not None
    around = node.replica.context
    guard = SignGuard(node.guard.last, node.guard.digest)
    guard.log_frames = node.guard.log_frames
    verifier = FakeVerifier()
    signer = FakeSigner(node.network.id, node.validator, guard)
    signer.stand_beside(log, node.height)  # type: ignore[arg-type]
    replica = Replica(
        node.replica.chain,
        Watched(around.application, frozen=True),
        node.store,
        signer,
        verifier,
        node.clock,
        node.network.faults.config,
        has_work=lambda: False,
        recorded=log.records,
    )
    for output in replica.start():
        require(not isinstance(output, Persist), "a replayed log asks for more to be written", node=node.index)
        if isinstance(output, Broadcast) and (envelope := read_envelope(output.data)).sender == node.key:
            known = node.network.monitor.has_said(node.index, read_message(envelope), output.data)
            require(known, "a replayed log says something else than was said", node=node.index)
    return replica


def check_chain(node: "SimNode") -> tuple[set[bytes], bytes]:
    """Judge every block of a node as a stranger does, from genesis; who is accused in them, and the state."""
    network = node.network
    house = network.house(node)
    house.release = node.house.release
    application, position = house.boot()
    watched = Watched(application, frozen=False)
    verifier = FakeVerifier()
    empty = MemoryBlockStore()
    chain = restore_chain(network.id, GENESIS_MS, position, watched, empty, verifier)
    certificates = CertificateCache(verifier, network.id)
    executor = BlockExecutor(watched, verifier, certificates)
    for committed in node.committed():
        certificates.verify(committed.certificate, chain.validators)
        executor.check(chain, committed.block)
        chain = executor.apply(chain, committed.block, committed.certificate, committed.extensions)
    return watched.accused, house.whole_state()
