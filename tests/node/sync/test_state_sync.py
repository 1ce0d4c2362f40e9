"""A node that joins: what it takes from peers, what it refuses, and what it falls back to."""

from pathlib import Path
from random import Random

import msgspec
import pytest
import trio

from clearing.base import ed25519
from clearing.base.certificate import VoteKind
from clearing.base.codec import encode
from clearing.base.errors import LocalFault, RemoteFault
from clearing.base.validators import ValidatorSet
from consensus.blocks.store import load_committed
from consensus.codes import ConsensusCode
from consensus.light_client import CurveLightVerifier, LightBlock
from consensus.messages import BlockRequest, read_envelope
from consensus.signing import CurveVerifier
from consensus.sync.messages import (
    CHUNK_BYTES,
    LATEST,
    ChunkRequest,
    ChunkResponse,
    LightRequest,
    LightResponse,
    Manifest,
    SnapshotOffers,
    SnapshotsRequest,
    SyncMessage,
    seal_sync,
)
from consensus.sync.state_sync import FirstSet
from member.codes import NodeCode
from node.p2p.network import Incoming
from node.signer.sign_state import SignedStep, SignStateFile
from node.store.blocks import StoredBlocks, light_block_at
from node.store.store import Store
from node.sync import snapshots, state_sync
from node.sync.chunks import CHUNKS_PER_PEER
from node.sync.joining import UNSEEN_HEIGHTS, keep_silent, rows_of
from node.sync.peer_talk import PeerTalk
from node.sync.restore import encode_saved
from node.sync.state_sync import Joined, SyncAnchor
from tests.kit.certificates import make_certificate
from tests.kit.node.state_sync import (
    HEIGHTS,
    HELPER,
    LIAR,
    NEW,
    NEWEST,
    Key,
    Lie,
    World,
    copy_of,
    joined_through,
    state_sync_light,
    try_to_join,
)
from tests.kit.node.station import Station
from tests.kit.refusals import refused
from tests.kit.until import PATIENCE_SECONDS, until

change = msgspec.structs.replace


async def test_a_joined_node_stands_where_the_others_stood(world: World, tmp_path: Path) -> None:
    joined, sync = await joined_through(world)
    assert joined.light.header.height == NEWEST
    assert sync.progress.refused == []
    home = world.origin.home
    with Store(tmp_path / "joined.sqlite", home.network) as store:
        store.save_joined(*rows_of(joined))
        assert (store.first_height(), store.height()) == (NEWEST, NEWEST)
        station = Station(home, store)
        assert station.application.height == NEWEST
        for height in (NEWEST + 1, NEWEST + 2):
            block = load_committed(StoredBlocks(world.origin.store), height)
            assert block is not None
            station.follow(block)
        assert station.chain.parent == world.origin.header_hash(HEIGHTS)
        with pytest.raises(LocalFault):
            store.save_joined(*rows_of(joined))


async def test_a_state_of_many_chunks_comes_from_all_who_offer_it(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_sync, "ANSWER_SECONDS", PATIENCE_SECONDS)  # nobody is asked again who is slow
    data = Random(5).randbytes(40 * CHUNK_BYTES + 17)
    with Store(tmp_path / "big.sqlite", world.origin.home.network) as store:
        copy_of(world.origin.store, store, data)
        joined, sync = await joined_through(world, (world.validator, None), (HELPER, None), real=False, store=store)
    assert joined.data == data
    sent = [service.chunks_sent for service in world.served.values()]
    assert sum(sent) == 41
    assert min(sent) >= CHUNKS_PER_PEER, "each is asked for so many at once; who is fast serves more"
    assert sync.progress.chunks == 41


async def test_a_long_state_is_asked_for_at_the_rate_that_one_peer_serves(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "BYTES_AT_ONCE", 1 << 20)
    data = Random(7).randbytes(60 * CHUNK_BYTES)
    with Store(tmp_path / "big.sqlite", world.origin.home.network) as store:
        copy_of(world.origin.store, store, data)
        joined, sync = await joined_through(world, real=False, store=store)
    assert joined.data == data
    assert sync.progress.chunks_refused == 0


def bad_chunks(asked: SyncMessage, answer: SyncMessage | None) -> SyncMessage | None:
    if isinstance(answer, ChunkResponse) and answer.data:
        return change(answer, data=bytes(len(answer.data)))
    return answer


def short_chunks(asked: SyncMessage, answer: SyncMessage | None) -> SyncMessage | None:
    return change(answer, data=answer.data[:-1]) if isinstance(answer, ChunkResponse) else answer


def no_chunks(asked: SyncMessage, answer: SyncMessage | None) -> SyncMessage | None:
    return None if isinstance(asked, ChunkRequest) else answer


def nothing(asked: SyncMessage, answer: SyncMessage | None) -> SyncMessage | None:
    return None


def no_light(asked: SyncMessage, answer: SyncMessage | None) -> SyncMessage | None:
    return LightResponse(height=asked.height, block=None) if isinstance(asked, LightRequest) else answer


def forged_headers(asked: SyncMessage, answer: SyncMessage | None) -> SyncMessage | None:
    """Another state, certified by nobody."""
    if isinstance(answer, LightResponse) and answer.block is not None:
        header = change(answer.block.header, epoch=99)
        certificate = change(answer.block.certificate, value=header.hash)
        block = change(answer.block, header=header, certificate=certificate)
        return change(answer, block=block)
    return answer


def other_heights(asked: SyncMessage, answer: SyncMessage | None) -> SyncMessage | None:
    """The right blocks under wrong numbers."""
    if isinstance(asked, SnapshotsRequest) and isinstance(answer, SnapshotOffers):
        return SnapshotOffers(manifests=tuple(change(each, height=each.height + 1) for each in answer.manifests))
    return answer


@pytest.mark.parametrize("lie", [bad_chunks, short_chunks, no_chunks, nothing, no_light, forged_headers, other_heights])
async def test_a_liar_beside_an_honest_validator_only_costs_time(world: World, tmp_path: Path, lie: Lie) -> None:
    data = Random(6).randbytes(12 * CHUNK_BYTES)
    with Store(tmp_path / "big.sqlite", world.origin.home.network) as store:
        copy_of(world.origin.store, store, data)
        joined, _ = await joined_through(
            world, (LIAR, lie), (world.validator, None), real=False, store=store, offers_seconds=20
        )
    assert joined.data == data


async def test_offers_of_strangers_to_the_set_agree_on_nothing(world: World) -> None:
    joined, sync = await try_to_join(world, (LIAR, None), (HELPER, None), offers_seconds=0.3)
    assert joined is None
    assert world.checked == []
    assert sync.progress.chunks == 0


async def test_without_offers_blocks_are_executed(world: World) -> None:
    def none(asked: SyncMessage, answer: SyncMessage | None) -> SyncMessage | None:
        return SnapshotOffers(manifests=()) if isinstance(asked, SnapshotsRequest) else answer

    joined, _ = await try_to_join(world, (world.validator, none), offers_seconds=0.2)
    assert joined is None


async def test_an_agreed_state_with_other_roots_is_refused_and_an_older_one_taken(world: World, tmp_path: Path) -> None:
    """More than a third lied, or runs another version: what the header certifies decides."""
    home = world.origin.home
    with Store(tmp_path / "wrong.sqlite", home.network) as store:
        older = world.origin.store.snapshot_at(5)
        assert older is not None
        station = Station(home, world.origin.store)
        copy_of(world.origin.store, store, encode_saved(NEWEST, station.restored.state, station.epochs.record()))
        wrong = store.snapshot_at(NEWEST)
        assert wrong is not None
        store.save_snapshot(NEWEST, wrong[:-1] + bytes([wrong[-1] ^ 1]))
        store.save_snapshot(5, older)
        joined, sync = await joined_through(world, store=store)
    assert joined.light.header.height == 5
    assert len(sync.progress.refused) == 1


async def test_an_anchor_from_the_settings_is_held_against_what_peers_show(world: World) -> None:
    await joined_through(world, anchor=world.anchor(3))
    with refused(ConsensusCode.NO_ANCHOR, LocalFault):
        await joined_through(world, anchor=SyncAnchor(world.first, 3, b"x" * 32), offers_seconds=0.2)


async def test_an_anchor_above_the_snapshot_vouches_for_it_by_hashes(world: World) -> None:
    joined, _ = await joined_through(world, (world.validator, None), anchor=world.anchor(HEIGHTS))
    assert joined.light.header.height == NEWEST


async def test_the_way_down_from_an_anchor_is_shared_by_peers_that_show_a_part_of_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_sync, "WALK_SECONDS", 0.001)

    def showing(heights: range) -> Lie:
        def lie(asked: SyncMessage, answer: SyncMessage | None) -> SyncMessage | None:
            if isinstance(asked, LightRequest):
                return answer if asked.height in heights else LightResponse(height=asked.height, block=None)
            if isinstance(answer, SnapshotOffers):
                return SnapshotOffers(manifests=tuple(each for each in answer.manifests if each.height == 5))
            return answer

        return lie

    joined, _ = await joined_through(
        world,
        (HELPER, showing(range(8, HEIGHTS + 1))),
        (world.validator, showing(range(8))),
        anchor=world.anchor(HEIGHTS),
    )
    assert joined is not None
    assert joined.light.header.height == 5


async def test_a_liars_offer_does_not_keep_a_networks_first_start_from_happening(world: World) -> None:
    joined, sync = await try_to_join(world, (world.validator, nothing), (LIAR, no_light), offers_seconds=0.2)
    assert joined is None
    assert sync.progress.offers > 0


async def test_spoiled_proofs_of_possession_are_not_kept(world: World) -> None:
    def spoil(asked: SyncMessage, answer: SyncMessage | None) -> SyncMessage | None:
        if not isinstance(answer, LightResponse) or answer.block is None:
            return answer
        bad = ValidatorSet(
            validators=tuple(change(each, possession=bytes(96)) for each in answer.block.validators.validators)
        )
        assert bad.hash == answer.block.validators.hash
        block = change(answer.block, validators=bad, next_validators=bad)
        return change(answer, block=block)

    joined, _ = await joined_through(world, (world.validator, spoil))
    _, sets = rows_of(joined)
    assert sets == {bytes(world.validators.hash): encode(world.validators)}


async def test_an_anchor_that_is_too_old_is_not_trusted(world: World) -> None:
    with pytest.raises(LocalFault, match="trust_expired"):
        await joined_through(world, period_ms=1_000)


async def test_another_networks_first_block_is_no_anchor(world: World) -> None:
    validators = world.validators
    with pytest.raises(LocalFault, match="no_anchor"):
        await joined_through(
            world, (world.validator, None), anchor=SyncAnchor(FirstSet(b"n" * 32, validators)), offers_seconds=0.2
        )


async def test_a_peer_without_connection_is_waited_for(world: World) -> None:
    """The wait for offers begins when somebody is there: a node that is not let in yet is not a node without offers."""
    joined: list[Joined | None] = []
    async with trio.open_nursery() as nursery, world.joiner(offers_seconds=0.2) as sync:

        async def run() -> None:
            joined.append(await sync.run())

        async with trio.open_nursery() as inner:
            inner.start_soon(run)
            await trio.sleep(0.5)
            assert joined == []
            await world.serve(nursery, world.validator)
        nursery.cancel_scope.cancel()
    assert joined[0] is not None


# A validator that lost its sign state


async def test_a_validator_without_sign_state_is_silent_where_it_could_have_signed(
    world: World, tmp_path: Path
) -> None:
    async with world.serving():
        guard = SignStateFile(tmp_path / "sign-state")
        async with world.joiner() as sync:
            joined = await sync.run()
            assert joined is not None
            await keep_silent(guard, sync, world.validators, world.validators.validators[0].envelope_key)
    # It is alone: nobody else tells it more than the header of the state, which its own votes certify.
    silent_to = joined.light.header.height + UNSEEN_HEIGHTS
    assert guard.last.height == silent_to
    with pytest.raises(LocalFault):
        guard.advance(SignedStep(silent_to, 0, 1), b"d" * 32)
    guard.advance(SignedStep(silent_to + 1, 0, 1), b"d" * 32)
    guard.close()


async def test_the_newest_height_is_that_of_a_quorum_and_certified(world: World) -> None:
    """Two of three validators answer: the third might have seen more."""
    (only,) = world.validators.validators
    others = [change(only, envelope_key=ed25519.public_key(secret)) for secret in (LIAR, HELPER)]
    validators = ValidatorSet(tuple(sorted((only, *others), key=lambda each: each.envelope_key)))

    heights: list[int] = []
    async with world.serving() as (nursery, _):
        await world.serve(nursery, LIAR, no_light)
        async with world.joiner() as sync:
            assert await sync.run() is not None

            async def ask() -> None:
                heights.append(await sync.newest_height(validators, b"own" + bytes(29)))

            async with trio.open_nursery() as inner:
                inner.start_soon(ask)
                await trio.sleep(0.3)
                assert heights == [], "one honest answer of three is no quorum"
                await world.serve(nursery, HELPER)
                await trio.sleep(0.3)
                assert heights == []
                inner.cancel_scope.cancel()
            others_known = ValidatorSet(tuple(each for each in validators.validators if each != others[0]))
            assert await sync.newest_height(others_known, b"own" + bytes(29)) == HEIGHTS


async def test_the_own_power_does_not_stand_for_an_answer(world: World) -> None:
    """With it, a liar and one that is behind would be enough, and neither need know what was signed."""
    (only,) = world.validators.validators
    own = ed25519.public_key(NEW)
    keys = (only.envelope_key, own, *(ed25519.public_key(secret) for secret in (LIAR, HELPER)))
    four = ValidatorSet(tuple(change(only, envelope_key=key) for key in sorted(keys)))
    heights: list[int] = []
    async with world.serving() as (nursery, _):
        await world.serve(nursery, HELPER)
        async with world.joiner() as sync:
            assert await sync.run() is not None

            async def ask() -> None:
                heights.append(await sync.newest_height(four, own))

            async with trio.open_nursery() as inner:
                inner.start_soon(ask)
                await trio.sleep(0.3)
                assert heights == [], "two others of four are no quorum"
                await world.serve(nursery, LIAR)
            assert heights == [HEIGHTS]


async def test_a_validator_whose_vote_is_shown_is_not_new(world: World) -> None:
    own = world.validators.validators[0].envelope_key
    async with world.serving(), world.joiner() as sync:
        assert await sync.is_voter(own)
        assert not await sync.is_voter(ed25519.public_key(NEW))


def offers_nothing(_: SyncMessage, answer: SyncMessage | None) -> SyncMessage | None:
    return SnapshotOffers(manifests=()) if isinstance(answer, SnapshotOffers) else answer


def has_no_block(asked: SyncMessage, answer: SyncMessage | None) -> SyncMessage | None:
    return offers_nothing(asked, no_light(asked, answer))


async def begun(world: World, own: bytes, lie: Lie) -> bool:
    """Whether the network was new, of an attempt that found no state."""
    async with trio.open_nursery() as nursery, world.joiner() as sync:
        await world.serve(nursery, world.validator, lie)
        assert await sync.run(own, patient=False) is None
        nursery.cancel_scope.cancel()
    return sync.is_new


async def waits(world: World, own: bytes, lie: Lie, *, patient: bool) -> bool:
    async with trio.open_nursery() as nursery, world.joiner() as sync:
        await world.serve(nursery, world.validator, lie)
        with trio.move_on_after(0.4) as scope:
            await sync.run(own, patient=patient)
        nursery.cancel_scope.cancel()
    return scope.cancelled_caught


async def test_a_network_where_nobody_offers_a_state_is_begun_at_once(world: World) -> None:
    own = ed25519.public_key(NEW)
    assert not await begun(world, own, offers_nothing)
    assert await begun(world, own, has_no_block)
    assert await waits(world, own, nothing, patient=False), "who says nothing may have something"
    assert await waits(world, own, offers_nothing, patient=True)


async def test_one_of_three_does_not_say_that_a_network_is_new(world: World) -> None:
    (only,) = world.validators.validators
    others = [change(only, envelope_key=ed25519.public_key(secret)) for secret in (NEW, HELPER)]
    three = ValidatorSet(tuple(sorted((only, *others), key=lambda each: each.envelope_key)))
    async with world.serving(), world.joiner(SyncAnchor(FirstSet(b"n" * 32, three)), offers_seconds=60.0) as sync:
        assert not sync._is_quorum(ed25519.public_key(NEW), {world.validators.validators[0].envelope_key})
        assert sync._is_quorum(ed25519.public_key(NEW), {each.envelope_key for each in (only, others[1])})


async def test_who_has_not_begun_tells_others_that_it_has_nothing(world: World) -> None:
    network, secret = world.origin.home.network, b"\x77" * 32
    first, second = (world.hub.join(ed25519.public_key(each)) for each in (NEW, secret))
    async with trio.open_nursery() as nursery:
        talks = []
        for each, key in ((first, NEW), (second, secret)):
            await nursery.start(each.run)
            talks.append(PeerTalk(network, Key(network, key), CurveVerifier(), each))
            await nursery.start(talks[-1].run)
        peer = ed25519.public_key(secret)
        assert await talks[0].ask(peer, SnapshotsRequest(), 5) == SnapshotOffers(manifests=())
        assert await talks[0].ask(peer, LightRequest(height=7), 5) == LightResponse(height=7, block=None)
        assert await talks[0].ask(peer, BlockRequest(first=1, count=1), 0.1) is None
        nursery.cancel_scope.cancel()


# Serving


async def test_what_is_no_request_is_reported_and_answered_by_nothing(world: World) -> None:
    async with world.serving() as (nursery, service):
        stranger = Key(world.origin.home.network, LIAR)
        peer = world.hub.join(stranger.envelope_key)
        await nursery.start(peer.run)
        good = seal_sync(stranger, SnapshotsRequest())
        envelope = read_envelope(good)
        for data in (
            good[:-1],
            encode(change(envelope, signature=bytes(64))),
            seal_sync(Key(world.origin.home.network, HELPER), SnapshotsRequest()),
            encode(change(envelope, body=b"\x91\x01")),
        ):
            service.take(Incoming(stranger.envelope_key, data))
        await until(lambda: len(world.reported) == 4)
        assert {who for who, _ in world.reported} == {stranger.envelope_key}


async def test_a_flood_of_requests_is_answered_at_a_rate_and_queued_in_bounds(world: World) -> None:
    async with world.serving() as (_, service):
        asking = Key(world.origin.home.network, LIAR)
        request = seal_sync(asking, LightRequest(height=LATEST))
        for _ in range(1000):
            service.take(Incoming(asking.envelope_key, request))
        assert service.dropped > 700


async def test_old_snapshots_do_not_pile_up_for_who_keeps_asking_for_a_chunk_of_each(
    world: World, tmp_path: Path
) -> None:
    with Store(tmp_path / "turning.sqlite", world.origin.home.network) as store:
        copy_of(world.origin.store, store, b"state of 10")
        async with world.serving(store=store) as (_, service):
            asked: list[Manifest] = []
            for height in range(NEWEST, NEWEST + 8):
                store.save_snapshot(height, b"state of %d" % height)
                offers = await service._answer_to(SnapshotsRequest())
                assert isinstance(offers, SnapshotOffers)
                asked += [each for each in offers.manifests if each not in asked]
                answers = [await service._answer_to(ChunkRequest(manifest=each.hash, index=0)) for each in asked]
            held = [each.height for each, answer in zip(asked, answers, strict=True) if answer.data]  # type: ignore[union-attr]
            kept = len(store.snapshot_heights())
            assert held == list(range(NEWEST + 8 - kept - snapshots.DROPPED_MAX, NEWEST + 8))


async def test_what_is_rotten_on_the_own_disk_does_not_end_the_service(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rotten(store: Store, height: int) -> LightBlock | None:
        if height == 3:
            raise LocalFault(NodeCode.STORE_CORRUPT, "blocks", height=height)
        return light_block_at(store, height)

    monkeypatch.setattr(snapshots, "light_block_at", rotten)
    async with world.serving() as (nursery, _):
        network = world.hub.join(ed25519.public_key(NEW))
        await nursery.start(network.run)
        home = world.origin.home
        talk = PeerTalk(home.network, Key(home.network, NEW), CurveVerifier(), network)
        await nursery.start(talk.run)
        peer = ed25519.public_key(world.validator)
        assert await talk.ask(peer, LightRequest(height=3), 0.2) is None
        answer = await talk.ask(peer, LightRequest(height=4), 5)
        assert isinstance(answer, LightResponse)
        assert answer.block is not None


async def test_a_snapshot_that_is_gone_and_chunks_beyond_it_are_empty(world: World) -> None:
    async with world.serving() as (_, service):
        offers = await service._answer_to(SnapshotsRequest())
        assert isinstance(offers, SnapshotOffers)
        assert [each.height for each in offers.manifests] == [10, 5]
        for manifest, index in ((b"m" * 32, 0), (offers.manifests[0].hash, offers.manifests[0].chunks)):
            answer = await service._answer_to(ChunkRequest(manifest=manifest, index=index))
            assert isinstance(answer, ChunkResponse)
            assert answer.data == b""
    assert list((world.folder / ed25519.public_key(world.validator).hex()).iterdir()) == []


async def test_answers_fit_into_chunks_that_votes_need_not_wait_for() -> None:
    largest = ChunkResponse(manifest=bytes(32), index=2**31, data=bytes(CHUNK_BYTES), path=(bytes(32),) * 32)
    key = Key(bytes(32), NEW)
    assert len(seal_sync(key, largest)) <= 64 << 10
    manifest = Manifest(format=1, height=2**62, size=1 << 30, root=bytes(32))
    assert len(seal_sync(key, SnapshotOffers(manifests=(manifest,) * 8))) < 1024


def test_a_first_block_must_be_of_genesis(world: World) -> None:
    block = state_sync_light(world.origin.store, 1)
    first = world.first
    first.check(block, CurveLightVerifier())
    header = change(block.header, epoch=7)
    certificate = make_certificate(
        VoteKind.PRECOMMIT, 1, 0, header.hash, block.validators, {0: block.certificate.aggregate}
    )
    for shown in (
        state_sync_light(world.origin.store, 2),
        change(block, header=header),
        change(block, header=header, certificate=certificate),
    ):
        with pytest.raises(RemoteFault):
            first.check(shown, CurveLightVerifier())
