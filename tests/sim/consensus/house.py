"""What a simulated node runs under consensus: the toy, or the whole clearing application with its saved states.

Rule: `boot` starts from what the node's disk holds, `crash` forgets the rest.
"""

from collections.abc import Mapping
from concurrent.futures import Future
from random import Random

from clearing.accounts.signatories import signing_addresses
from clearing.base.codec import decode, encode, u256
from clearing.base.hashing import tagged_hash
from clearing.base.ids import NetworkId
from clearing.base.protocol import RELEASE_VERSIONS, ProtocolVersions
from clearing.governance.proposals import check_admission
from clearing.initial_state import initial_state
from clearing.margin.statement.snapshot import RiskSnapshot
from clearing.schema.blocks.block import PriceReport, VoteExtension
from clearing.schema.blocks.deposit_batch import write_facts
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.records.governance import ProtocolRecord
from clearing.schema.requests.accounts import CashTransfer
from clearing.state.export import export_state, import_state
from clearing.state.state import State
from clearing.validators.validator_sets import validator_sets
from consensus.application import Application
from consensus.chain_state import ApplicationPosition
from consensus.outputs import Clock
from node.agreement.application import ClearingApplication, DecidedHeight, Payload, encode_payload
from node.chains.attestation_pool import AttestationPool
from node.epochs.seeds import AccountSeeds
from node.epochs.service import EpochRecord, EpochService
from node.pool.mempool import Mempool
from proofs.epoch.remote_shard import ProofProgress
from tests.kit.clearing.genesis import ALICE, BOB, SALT
from tests.kit.clearing.whole_state import check_whole_state
from tests.kit.consensus.toy import ToyApplication
from tests.sim.consensus.market import MARKET, PRICES, Market

BOTH_VERSIONS = ProtocolVersions(1, 2)
"""Of the release that nodes are upgraded to."""


class ToyHouse:
    """The toy; it wants a block two seconds of three."""

    def __init__(self, application: ToyApplication, clock: Clock) -> None:
        self.application = application
        self._clock = clock

    @property
    def release(self) -> ProtocolVersions:
        return self.application.release

    @release.setter
    def release(self, release: ProtocolVersions) -> None:
        self.application.release = release

    def boot(self) -> tuple[Application, ApplicationPosition]:
        return self.application, self.application.position

    def crash(self) -> None:
        self.application.crash()

    @property
    def has_work(self) -> bool:
        return self._clock.steady_ms() % 3000 < 2000

    def whole_state(self) -> bytes:
        return self.application.root


class HashProver:
    """Commitments that are hashes, at once: a stand-in for the worker processes."""

    progress = ProofProgress()

    def commit(self, snapshot: RiskSnapshot, seeds: Mapping[int, bytes]) -> "Future[tuple[tuple[int, bytes], ...]]":
        body = tagged_hash("simulation/snapshot", encode(snapshot))
        future: Future[tuple[tuple[int, bytes], ...]] = Future()
        accounts = [each.account for each in snapshot.accounts]
        future.set_result(tuple((each, (tagged_hash("simulation/c", body, u256(each)) * 2)[:48]) for each in accounts))
        return future

    def prove(self, *_: object) -> "Future[bytes]":
        raise NotImplementedError

    def close(self) -> None:
        """Nothing runs."""


class ClearingHouse:
    """The clearing application of a node: mempool, epochs and saved states are the node's own."""

    def __init__(
        self,
        market: Market,
        index: int,
        key: bytes,
        clock: Clock,
        lag_ms: int,
        flush_every: int,
        upgrade_height: int = 0,
    ) -> None:
        """`upgrade_height`: of version 2, as if a vote had scheduled it before the first block; 0: never."""
        self._upgrade_height = upgrade_height
        self.release = RELEASE_VERSIONS
        self.market = market
        self._index, self._key, self._clock = index, key, clock
        self._lag_ms, self._flush_every = lag_ms, flush_every
        self._facts = AttestationPool(key)
        self._seen = 0
        self._saved: tuple[int, bytes, bytes] | None = None
        self.pool: Mempool | None = None
        self.application: ClearingApplication | None = None

    def boot(self) -> tuple[Application, ApplicationPosition]:
        market = self.market
        height, state, record = 0, None, None
        if self._saved is None:
            state = initial_state(market.genesis, SALT)
            if self._upgrade_height:
                state.protocol.put(0, ProtocolRecord(1, 1, 2, self._upgrade_height))
        else:
            height, exported, kept = self._saved
            state, record = import_state(market.genesis, SALT, exported), decode(kept, EpochRecord, 1 << 26)
        pool = Mempool(
            NetworkId(market.network),
            lambda who: signing_addresses(application.state, who),
            judge_change=lambda ruling: check_admission(application.state, ruling),
        )
        epochs = EpochService(HashProver(), AccountSeeds(bytes(32)), MARKET.snapshot_delay_blocks, self._key, record)
        application = ClearingApplication(
            market.genesis, state, pool, epochs, self._observe, height, release=self.release
        )
        application.listen(lambda decided: epochs.decided(decided.header))
        application.listen(lambda decided: self._keep(decided, epochs))
        self.application, self.pool = application, pool
        self._facts, self._seen = AttestationPool(self._key), 0
        for request in market.requests:
            self.submit(request)
        sets = validator_sets(state)
        return application, ApplicationPosition(height, sets.last, sets.now, sets.next)

    def crash(self) -> None:
        self.application = self.pool = None

    @property
    def has_work(self) -> bool:
        return self.pool is not None and len(self.pool) > 0

    def whole_state(self) -> bytes:
        """Everything that is agreed, in one form. Raises Bug when it does not add up."""
        if self.application is None:
            return b""
        check_whole_state(self.application.state)
        return export_state(self.application.state)

    def submit(self, request: Transaction) -> None:
        """A request reached this node."""
        if self.pool is not None:
            self.pool.add(request, self._clock.wall_ms())

    def _keep(self, decided: DecidedHeight, epochs: EpochService) -> None:
        if self.pool is not None:
            self.pool.remove(decided.block.transactions)
        if decided.header.height % self._flush_every == 0:
            self._saved = (decided.header.height, export_state(decided.state), encode(epochs.record()))
        self.market.decided(decided, self._clock.steady_ms())

    def _observe(self, state: State) -> VoteExtension:
        now = self._clock.steady_ms() - self._lag_ms
        time_ms, market = self._clock.wall_ms() - self._lag_ms, self.market
        prices = tuple(
            PriceReport(feed, market.price(feed, now) + (self._index * 7 + feed) % 5 - 2, 10, 3, time_ms)
            for feed in sorted(PRICES)
        )
        facts = self._facts
        while self._seen < len(market.facts) and market.facts[self._seen][0] <= now:
            facts.add(market.facts[self._seen][1])
            self._seen += 1
        for fact in (*market.custody_at(now), *market.beats_at(now)):
            facts.add(fact)
        return VoteExtension(prices, write_facts(facts.pending(state)))


House = ToyHouse | ClearingHouse
"""One node's application and what it keeps."""


def vary(payload: bytes, random: Random) -> bytes:
    """One transaction less, or one more that nobody signed: a block of it is as valid."""
    transactions = decode(payload, Payload, 1 << 22).transactions
    if transactions and random.randrange(2):
        return encode_payload(transactions[:-1])
    junk = CashTransfer(ALICE, BOB, 1, 5, random.randrange(1 << 30), 1, bytes(64) + b"\x1b")
    return encode_payload((*transactions, junk))
