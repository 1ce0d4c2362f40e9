"""From a light client that is told two things, over HTTP, into a block of the network that was attacked."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import msgspec
import trio

from clearing.base import bls
from clearing.base.certificate import VoteKind, signer_indices, vote_digest
from clearing.base.errors import LocalFault
from consensus.application import MisbehaviourKind
from consensus.blocks.store import load_committed, load_set
from consensus.light_client import CurveLightVerifier, LightBlock, TrustPolicy
from consensus.outputs import Decided
from consensus.replica.replica import ReplicaConfig
from member.codes import NodeCode
from member.light.client import LightClient, LightOptions
from member.light.source import HttpSource
from member.light.store import LightStore
from member.light.trust import TrustedHash
from node.agreement.engine import ConsensusGenesis, Engine, Hooks
from node.api.view import NodeView
from node.config import Api
from node.http.server import build_api, serve_api
from node.signer.local import LocalSigner
from node.signer.sign_state import SignStateFile
from node.store.wal import WalFile
from tests.kit.certificates import make_certificate
from tests.kit.consensus.crypto import secrets_of, validator_set
from tests.kit.consensus.memory_store import MemoryBlockStore
from tests.kit.consensus.toy import ToyApplication
from tests.kit.node.light_chain import Node, serving
from tests.kit.node.memory_network import Hub
from tests.kit.refusals import refused
from tests.kit.until import until

NETWORK = bytes(range(32))
SET = validator_set(4)
LIARS = (1, 2, 3)
FORKED = 6


@dataclass
class Peer:
    """One validator over the in-memory network, as far as its API needs it."""

    index: int
    folder: Path
    hub: Hub
    network: bytes = NETWORK
    store: MemoryBlockStore = field(default_factory=MemoryBlockStore)
    decided: list[Decided] = field(default_factory=list)
    followers: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.application = ToyApplication(SET, self.index)
        self.guard = SignStateFile(self.folder / f"{self.index}.state", sync=False)
        self.channel = self.hub.join(SET.validators[self.index].envelope_key)
        self.engine = Engine(
            ConsensusGenesis(NETWORK, 1_700_000_000_000),
            self.application.position,
            self.application,
            self.store,
            LocalSigner(NETWORK, *secrets_of(4)[self.index], self.guard),
            WalFile(self.folder / f"{self.index}.wal"),
            self.channel,
            ReplicaConfig(),
            Hooks(on_decided=self.decided.append, has_work=lambda: True),
        )
        self.submit_attack = self.engine.submit_attack

    def light_block(self, height: int | None) -> LightBlock | None:
        committed = load_committed(self.store, height or self.store.height())
        if committed is None:
            return None
        header = committed.block.header
        validators = load_set(self.store, header.validators_hash)
        after = load_set(self.store, header.next_validators_hash)
        assert validators is not None
        assert after is not None
        return LightBlock(header, committed.certificate, validators, after)


def forged(block: LightBlock) -> LightBlock:
    """Another header of the height, certified by three of four in the same round."""
    header = msgspec.structs.replace(block.header, payload_root=b"\7" * 32)
    round_ = block.certificate.round
    digest = vote_digest(NETWORK, SET.hash, VoteKind.PRECOMMIT, header.height, round_, header.hash)
    shares = {index: bls.sign(secrets_of(4)[index][1], digest) for index in LIARS}
    certificate = make_certificate(VoteKind.PRECOMMIT, header.height, round_, header.hash, SET, shares)
    return msgspec.structs.replace(block, header=header, certificate=certificate)


def look(urls: list[str], trusted: TrustedHash, folder: Path) -> None:
    """What the member does, in a thread of its own."""
    sources = [HttpSource(url) for url in urls]
    options = LightOptions(TrustPolicy(trusting_period_ms=86_400_000))
    with LightStore(folder / "light.sqlite") as store:
        client = LightClient(
            store, sources, options, CurveLightVerifier(), folder / "evidence", lambda: time.time_ns() // 1_000_000
        )
        client.begin(trusted)
        try:
            client.update(FORKED)
        finally:
            for source in sources:
                source.close()


async def test_what_a_light_client_saw_is_recorded_in_a_block_against_who_signed_both(tmp_path: Path) -> None:
    hub = Hub(delay=lambda _, __: 0.003)
    peers = [Peer(index, tmp_path, hub) for index in range(4)]
    async with trio.open_nursery() as nursery:
        for peer in peers:
            await nursery.start(peer.channel.run)
            await nursery.start(peer.engine.run)
        await until(lambda: min(peer.store.height() for peer in peers) >= FORKED)
        chain = [peers[0].light_block(height) for height in range(1, FORKED + 1)]
        assert all(chain)
        blocks = cast("list[LightBlock]", chain)
        honest_signed = set(signer_indices(blocks[-1].certificate.signers))
        app = build_api(cast("NodeView", peers[0]), Api(port=0), lambda: 0)
        bound: Any = await nursery.start(serve_api, app, Api(port=0))
        liar = Node([*blocks[:-1], forged(blocks[-1])])
        with serving(liar) as (url,):
            trusted = TrustedHash(2, blocks[1].header.hash)
            with refused(NodeCode.LIGHT_ATTACK, LocalFault):
                await trio.to_thread.run_sync(look, [bound[0], url], trusted, tmp_path)
        assert len(liar.evidence) == 1
        guilty = {SET.validators[index].envelope_key for index in honest_signed & set(LIARS)}
        assert len(guilty) >= 2
        await until(lambda: all(guilty <= {key for key, _, _ in peer.application.reported} for peer in peers))
        nursery.cancel_scope.cancel()
    for peer in peers:
        kinds = {kind for key, height, kind in peer.application.reported if height == FORKED}
        assert kinds == {MisbehaviourKind.CONFLICTING_CERTIFICATES}
        assert {key for key, _, _ in peer.application.reported} == guilty, "and against nobody else"
        carrying = [each for each in peer.decided if each.committed.block.evidence.conflicts]
        assert carrying
        peer.guard.close()
