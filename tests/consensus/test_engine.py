"""Four engines with real curves, real log and sign state files, over the in-memory network."""

from pathlib import Path
from typing import cast

import pytest
import trio
from trio.testing import MockClock

from clearing.base import bls
from clearing.base.certificate import signer_indices, vote_digest
from clearing.base.errors import LocalFault
from consensus.blocks.store import load_committed
from consensus.codes import ConsensusCode
from consensus.evidence.attack import LightClientAttack
from consensus.links import HEARD_MS
from consensus.wal import Record, RecordKind
from node.agreement.engine import Engine
from node.signer.sign_state import SignStateFile
from node.store.wal import WalFile
from tests.kit.consensus.crypto import VALIDATORS
from tests.kit.consensus.engines import NETWORK, Peer, check_same_chain, reach, running
from tests.kit.node.memory_network import Hub
from tests.kit.refusals import refused
from tests.kit.until import until


@pytest.fixture
def peers(tmp_path: Path) -> list[Peer]:
    hub = Hub(delay=lambda _, __: 0.003)
    return [Peer(index, tmp_path / str(index), hub) for index in range(4)]


def engine_of(peer: Peer) -> Engine:
    assert peer.engine is not None
    return peer.engine


async def test_four_engines_make_one_chain(peers: list[Peer], autojump_clock: MockClock) -> None:
    async with running(peers):
        await reach(peers, 10)
    check_same_chain(peers)
    for peer in peers:
        assert engine_of(peer).stats.rounds_beyond_first == 0
        assert not engine_of(peer).stats.faults
        assert [decided.committed.block.header.height for decided in peer.decided][:10] == list(range(1, 11))


async def test_a_killed_engine_returns_and_catches_up(peers: list[Peer], autojump_clock: MockClock) -> None:
    killed = peers[2]
    async with running(peers) as nursery:
        await reach(peers, 4)
        await killed.kill()
        left_at = killed.store.height()
        await reach([peer for peer in peers if peer is not killed], left_at + 12)
        executed = len(killed.application.processed)
        await nursery.start(killed.run)
        await reach(peers, left_at + 20)
    check_same_chain(peers)
    again = killed.application.processed[executed:]
    assert min(again) == left_at - left_at % 3 + 1, "only blocks that the application had lost run again"
    assert again[0] <= left_at + 1
    assert engine_of(killed).stats.heights_fetched >= 10
    assert not engine_of(killed).stats.faults


async def test_all_killed_at_once_go_on_from_their_logs(peers: list[Peer], autojump_clock: MockClock) -> None:
    for stop in (3, 6, 9):
        async with running(peers):
            await reach(peers[:1], stop)
            await trio.sleep(0.004 * stop)  # anywhere within a height
            for peer in peers:
                await peer.kill()
    async with running(peers):
        await reach(peers, 14)
    check_same_chain(peers)


async def test_a_link_that_ends_is_noticed_before_its_silence(peers: list[Peer], autojump_clock: MockClock) -> None:
    async with running(peers):
        await reach(peers, 40)
        await peers[3].kill()
        began = trio.current_time()
        replica = engine_of(peers[0])._replica
        assert replica is not None
        await until(lambda: replica.context.links.missing == {peers[3].key})
        assert trio.current_time() - began < HEARD_MS / 2000


async def test_without_work_heights_follow_the_heartbeat(peers: list[Peer], autojump_clock: MockClock) -> None:
    for peer in peers:
        peer.work = False
    async with running(peers):
        await reach(peers, 2)
        began = trio.current_time()
        await reach(peers, 6)
        idle = trio.current_time() - began
        for peer in peers:
            peer.work = True
        for peer in peers:
            engine_of(peer).notify_work()
        began = trio.current_time()
        await reach(peers, 12)
        busy = trio.current_time() - began
    assert idle >= 4 * 0.45
    assert busy <= 6 * 0.1


async def test_a_certificate_verifies_under_the_reference_implementation(
    peers: list[Peer], autojump_clock: MockClock
) -> None:
    from py_ecc.bls import G2ProofOfPossession

    async with running(peers):
        await reach(peers, 2)
    committed = load_committed(peers[0].store, 2)
    assert committed is not None
    final, value = committed.certificate, committed.block.header.hash
    digest = vote_digest(NETWORK, VALIDATORS.hash, final.kind, final.height, final.round, value)
    keys = [VALIDATORS.validators[index].bls_key for index in signer_indices(final.signers)]
    assert len(keys) >= 3
    assert G2ProofOfPossession.FastAggregateVerify(keys, digest, final.aggregate)
    assert not G2ProofOfPossession.FastAggregateVerify(keys[1:], digest, final.aggregate)
    assert bls.verify_aggregate(keys, digest, final.aggregate)


async def test_one_key_runs_once(peers: list[Peer]) -> None:
    guard = SignStateFile(peers[0].folder / "sign.state")
    with refused(ConsensusCode.DOUBLE_SIGN, LocalFault):
        SignStateFile(peers[0].folder / "sign.state")
    guard.close()


async def test_an_engine_that_has_ended_takes_no_evidence(peers: list[Peer], autojump_clock: MockClock) -> None:
    """A member's request may still be under way when consensus ends: its log is closed."""
    async with running(peers):
        await reach(peers, 1)
    for peer in peers:
        with refused(ConsensusCode.WRONG_HEIGHT, LocalFault):
            engine_of(peer).submit_attack(cast("LightClientAttack", None))


def test_a_closed_log_never_writes_into_the_file_that_has_its_number_now(tmp_path: Path) -> None:
    log = WalFile(tmp_path / "consensus.wal")
    log.close()
    with (tmp_path / "another").open("xb") as another:  # the system gives it the number that has become free
        with pytest.raises(OSError, match="Bad file descriptor"):
            log.append([Record(height=1, kind=RecordKind.RECEIVED, data=b"late")])
        assert another.tell() == 0
    assert (tmp_path / "another").read_bytes() == b""
