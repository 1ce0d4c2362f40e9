"""A validator alone: what of `node.app.node.Node` stands on disk, without network and clock, one height at a time."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import trio

from clearing.base import ed25519
from clearing.base.certificate import Certificate
from clearing.base.codec import encode
from clearing.base.hashing import tagged_hash
from clearing.base.header import Header
from clearing.base.ids import NetworkId
from clearing.base.protocol import RELEASE_VERSIONS, ProtocolVersions
from clearing.base.validators import ValidatorSet
from clearing.margin.statement.snapshot import RiskSnapshot
from clearing.schema.blocks.block import VoteExtension, encode_extension
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.requests.governance import GovernanceProposal, GovernanceVote
from clearing.schema.terms.genesis import Genesis, MarketParameters, network_id
from clearing.state.state import State
from consensus.blocks.executor import BlockExecutor
from consensus.blocks.store import restore_chain, save_committed
from consensus.messages import Block, CommittedBlock, Evidence, Extension, SignedExtension, extension_digest
from consensus.signing import CertificateCache, CurveVerifier
from devnet.testnet import create_testnet
from member.signing.requests import signed_by_validator
from node.agreement.application import ClearingApplication, DecidedHeight, state_salt
from node.app.persister import Persister
from node.config import NodeConfig
from node.epochs.seeds import AccountSeeds
from node.epochs.service import EpochService
from node.signer.node_keys import NodeKeys, open_node_keys
from node.store.blocks import StoredBlocks
from node.store.store import Store
from node.sync.restore import position_of, restore
from proofs.epoch.remote_shard import ProofProgress
from tests.kit.certificates import certified
from tests.kit.clearing.genesis import START_MS, make_genesis
from tests.kit.until import until

MARKET = MarketParameters(move_cap_ppm=300_000, epoch_blocks=5, snapshot_delay_blocks=3)


@dataclass(frozen=True)
class Home:
    """One validator's genesis and keys."""

    genesis: Genesis
    keys: NodeKeys
    path: Path
    config: NodeConfig

    @property
    def network(self) -> NetworkId:
        return network_id(self.genesis)

    @property
    def salt(self) -> bytes:
        return state_salt(self.keys.network_seed)


def make_home(folder: Path, genesis: Genesis | None = None, power: int = 1, **changes: object) -> Home:
    """A network of one. `changes`: other parts of genesis."""

    def build(validators: ValidatorSet) -> Genesis:
        one = ValidatorSet(tuple(msgspec.structs.replace(each, power=power) for each in validators.validators))
        return msgspec.structs.replace(genesis or make_genesis(MARKET), validators=one, **changes)

    made = create_testnet(folder, build, validators=1, devnet=True, seed=5)
    home = made.nodes[0].home
    return Home(made.genesis, open_node_keys(home, home / "password", allow_weak=True), home, made.nodes[0].config)


class QuickProver:
    """Commitments that are hashes, at once or when told; proofs are never ready."""

    progress = ProofProgress()

    def __init__(self, *, held_back: bool = False) -> None:
        self.held_back = held_back
        self.waiting: list[tuple[Future[tuple[tuple[int, bytes], ...]], RiskSnapshot]] = []
        self.heights: list[int] = []
        self.proofs: list[Future[bytes]] = []

    def commit(self, snapshot: RiskSnapshot, seeds: Mapping[int, bytes]) -> "Future[tuple[tuple[int, bytes], ...]]":
        future: Future[tuple[tuple[int, bytes], ...]] = Future()
        self.heights.append(snapshot.statement.height)
        self.waiting.append((future, snapshot))
        if not self.held_back:
            self.finish()
        return future

    def finish(self) -> None:
        for future, snapshot in self.waiting:
            future.set_result(tuple((each.account, _hashed(snapshot, each.account)) for each in snapshot.accounts))
        self.waiting.clear()

    def prove(
        self,
        snapshot: RiskSnapshot,
        seeds: Mapping[int, bytes],
        header: Header,
        certificate: Certificate,
        validators: ValidatorSet,
    ) -> "Future[bytes]":
        self.proofs.append(Future())
        return self.proofs[-1]

    def close(self) -> None:
        """Nothing runs."""


def _hashed(snapshot: RiskSnapshot, account: int) -> bytes:
    body = tagged_hash("test/commitment/v1", encode(snapshot), account.to_bytes(8, "big"))
    return (body * 2)[:48]


@dataclass
class Pool:
    """What the next proposals take, height by height."""

    next: tuple[Transaction, ...] = ()

    def select(self, time_ms: int) -> tuple[Transaction, ...]:
        return self.next


@dataclass
class Station:
    """Restored from `store` when made, as a node is; then it decides heights or follows recorded ones."""

    home: Home
    store: Store
    prover: QuickProver = field(default_factory=QuickProver)
    listeners: tuple[Callable[[DecidedHeight], None], ...] = ()
    release: ProtocolVersions = RELEASE_VERSIONS

    def __post_init__(self) -> None:
        genesis = self.home.genesis
        self.blocks = StoredBlocks(self.store)
        self.restored = restore(genesis, self.home.salt, self.store, self.blocks)
        self.epochs = EpochService(
            self.prover,
            AccountSeeds(bytes(32)),
            genesis.market.snapshot_delay_blocks,
            ed25519.public_key(self.home.keys.envelope),
            self.restored.epochs,
        )
        self.recorder = Persister(self.store, self.epochs)
        self.pool = Pool()
        self.said = VoteExtension()
        self.application = ClearingApplication(
            genesis,
            self.restored.state,
            self.pool,
            self.epochs,
            lambda _: self.said,
            self.restored.height,
            release=self.release,
        )
        self.application.listen(lambda decided: self.epochs.decided(decided.header))
        self.application.listen(self.recorder.decided)
        for listener in self.listeners:
            self.application.listen(listener)
        verifier = CurveVerifier()
        self.chain = restore_chain(
            self.home.network, genesis.time_ms, position_of(self.restored), self.application, self.blocks, verifier
        )
        self.executor = BlockExecutor(self.application, verifier, CertificateCache(verifier, self.home.network))
        self.decided: list[CommittedBlock] = []
        """The blocks since it was made."""

    @property
    def state(self) -> State:
        return self.application.state

    def decide(self, said: VoteExtension | None = None, transactions: tuple[Transaction, ...] = ()) -> CommittedBlock:
        """Propose, certify, store and apply the next height. `said` is attested at it, and counted at the one after."""
        self.said = said or VoteExtension()
        self.pool.next = transactions
        block = self.executor.build(self.chain, Evidence())
        committed = committed_by_one(self.home, block, encode_extension(self.said), self.chain.validators)
        self.follow(committed)
        return committed

    def follow(self, committed: CommittedBlock) -> None:
        """Store and apply a block that was decided."""
        save_committed(self.blocks, committed)
        self.chain = self.executor.apply(self.chain, committed.block, committed.certificate, committed.extensions)
        self.decided.append(committed)

    async def write_results(self, persister: Persister | None = None) -> None:
        """Have everything written that waits for it."""
        persister = persister or self.recorder
        async with trio.open_nursery() as nursery:
            nursery.start_soon(persister.run)
            await until(lambda: persister._receive.statistics().tasks_waiting_receive)
            nursery.cancel_scope.cancel()


@contextmanager
def new_station(folder: Path, prover: QuickProver | None = None, **changes: object) -> Iterator[Station]:
    """A network of one in this folder, and its node with an open store. `changes`: other parts of genesis."""
    home = make_home(folder / "net", **changes)
    with Store(home.path / "node.sqlite", home.network) as store:
        yield Station(home, store, prover or QuickProver())


def time_of(height: int) -> int:
    return START_MS + 1_000 * height


def committed_by_one(home: Home, block: Block, data: bytes, validators: ValidatorSet) -> CommittedBlock:
    """A block with the only validator's certificate and extension."""
    header = block.header
    certificate = certified(header, validators, {0: home.keys.validator})
    extension = Extension(time_ms=time_of(header.height), data=data)
    digest = extension_digest(home.network, validators.hash, header.height, 0, header.hash, extension)
    extensions = (SignedExtension(0, extension, ed25519.sign(home.keys.envelope, digest)),)
    return CommittedBlock(block=block, certificate=certificate, extensions=extensions)


def vote_of_one(home: Home, proposal: GovernanceProposal) -> GovernanceVote:
    """The only validator's, for it."""
    content = proposal.content(home.network)
    plain = GovernanceVote(
        content, 0, approve=True, revision=1, not_after_ms=proposal.not_after_ms, signature=bytes(64)
    )
    return signed_by_validator(home.network, plain, home.keys.envelope)


def secret_file(path: Path, secret: bytes) -> Path:
    """A file that only its owner reads, with a secret in hex digits."""
    path.touch(mode=0o600)
    path.write_text(secret.hex())
    return path
