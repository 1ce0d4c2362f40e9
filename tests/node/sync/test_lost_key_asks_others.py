"""How far a lost key signed: the largest answer counts, and nobody else to ask is no answer."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import trio

from clearing.base import ed25519
from clearing.base.errors import LocalFault
from consensus.light_client import CurveLightVerifier, TrustPolicy
from consensus.signing import CurveVerifier
from consensus.sync.messages import LATEST, LightRequest, LightResponse, SnapshotOffers, SnapshotsRequest
from member.codes import NodeCode
from node.signer.sign_state import SignStateFile
from node.sync import state_sync
from node.sync.joining import _fetch
from node.sync.peer_talk import PeerTalk
from node.sync.state_sync import Curves, StateSync, SyncAnchor
from tests.kit.node.state_sync import HEIGHTS, LIAR, NEW, Key, World, origin, state_sync_light, world
from tests.kit.node.station import time_of
from tests.kit.refusals import refused
from tests.kit.until import until

__all__ = ["origin", "world"]


@pytest.mark.parametrize("shows_all", [False, True])
async def test_a_peer_that_is_no_validator_cannot_say_that_little_was_signed(
    world: World, tmp_path: Path, shows_all: bool
) -> None:
    """The only validator lost its disk; nobody but a stranger is left to ask, and it may show an old header."""

    def lie(asked: object, answer: object) -> object:
        if isinstance(asked, SnapshotsRequest):
            return SnapshotOffers(manifests=())
        if not shows_all and isinstance(asked, LightRequest) and asked.height == LATEST:
            return LightResponse(height=asked.height, block=state_sync_light(world.origin.store, 1))
        return answer

    guard, home = SignStateFile(tmp_path / "state"), world.origin.home
    config = SimpleNamespace(
        state_sync=SimpleNamespace(trusting_period_s=10**6, offers_ms=500),
        signer=SimpleNamespace(address=""),
        path=lambda name: tmp_path / name,
        consensus=SimpleNamespace(wal="wal"),
    )
    async with trio.open_nursery() as nursery:
        await world.serve(nursery, LIAR, lie)
        network = world.hub.join(ed25519.public_key(NEW))
        await nursery.start(network.run)
        talk = PeerTalk(home.network, Key(home.network, NEW), CurveVerifier(), network)
        await nursery.start(talk.run)
        with refused(NodeCode.SIGN_STATE_MISSING, LocalFault):
            await _fetch(
                config,  # type: ignore[arg-type]
                home.genesis,
                home.keys,
                talk,
                SyncAnchor(world.first),
                lambda: time_of(HEIGHTS),
                guard,
                None,  # type: ignore[arg-type]
                lambda _: None,
                lost=True,
            )
        nursery.cancel_scope.cancel()
    assert guard.last.height == 0
    guard.close()


@pytest.mark.parametrize("has_blocks", [True, False])
async def test_a_peer_that_answers_late_is_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch, has_blocks: bool
) -> None:
    """Beside a full load no answer came in time; that was taken for "no block", and the lost validator was refused."""
    asked_newest: list[object] = []

    def lie(asked: object, answer: object) -> object:
        if isinstance(asked, LightRequest) and asked.height == LATEST:
            asked_newest.append(asked)
            if len(asked_newest) <= 3:
                return None
            return answer if has_blocks else LightResponse(height=LATEST, block=None)
        return answer

    home = world.origin.home
    async with trio.open_nursery() as nursery:
        await world.serve(nursery, LIAR, lie)
        network = world.hub.join(ed25519.public_key(NEW))
        await nursery.start(network.run)
        talk = PeerTalk(home.network, Key(home.network, NEW), CurveVerifier(), network)
        await nursery.start(talk.run)
        sync = StateSync(
            talk,
            SyncAnchor(world.first),
            TrustPolicy(trusting_period_ms=10**9),
            Curves(CurveLightVerifier(), CurveVerifier()),
            lambda: time_of(HEIGHTS),
            None,  # type: ignore[arg-type] - no state is fetched
            0.5,
        )
        await until(lambda: talk.peers)
        monkeypatch.setattr(state_sync, "ANSWER_SECONDS", 0.5)
        found = await sync.newest_set()
        nursery.cancel_scope.cancel()
    assert (found is not None) is has_blocks
    assert len(asked_newest) > 3
