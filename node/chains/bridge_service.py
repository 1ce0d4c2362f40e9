"""`BridgeService`: one watcher a chain, its facts on their way into vote extensions, and the chains' health.

Rule: a fact reaches the pool only from the own watcher, which proved it; gossip about collateral is logged and not
used. A halted chain stays halted and shows in readiness; the other chains go on.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import structlog
import trio

from bridge.beacon.light_client import BeaconClient
from bridge.rpc.chain_profiles import profile_of
from bridge.rpc.endpoint import Endpoint
from bridge.rpc.quorum import EndpointQuorum, Tips
from bridge.watch.branch import AcceptedCheckpoint, BranchFile, BranchWatch, OwnBranch
from bridge.watch.cursor import FileFactStore
from bridge.watch.custody_evidence import EvidenceCollector, EvidenceStore
from bridge.watch.expired_withdrawals import AT_ONCE, ExpiredWithdrawal, ExpiredWithdrawalQuery
from bridge.watch.status import NOT_CHECKED, Alarm
from bridge.watch.submitted_events import SubmittedEventReader
from bridge.watch.watcher import Watcher
from bridge.watched_chain import FinalityPolicy, WatchedChain
from clearing.base.codec import Wire, decode, encode
from clearing.base.errors import LocalFault, RemoteFault
from clearing.schema.facts import DepositSighted, Fact, VaultFact, WithdrawalNotExecuted, fact_key
from clearing.schema.terms.genesis import Genesis
from clearing.state.state import State
from clearing.withdrawals.refunds import expired_withdrawals, open_withdrawals
from member.codes import NodeCode
from node.chains.attestation_pool import AttestationPool, event_is_agreed
from node.chains.light_clients import light_client_of
from node.chains.submissions import CollateralEvent, Submission, Submissions, SubmissionStatus
from node.config import ChainConfig
from node.p2p.network import Incoming, Network, Topic, carries
from node.supervision import Keep, run_plainly

GOSSIP_BYTES_MAX = 4096

log = structlog.get_logger(__name__)


class CollateralGossip(Wire, frozen=True):
    """An event that the sender's watcher proved, for others to look for on their own."""

    event: VaultFact


@dataclass(slots=True)
class Pulse:
    """When a chain last answered and last moved, on trio's clock."""

    answered: float
    moved: float
    final_number: int = 0

    def note(self, now: float, final_number: int) -> None:
        """A quorum of endpoints answered with its newest final block."""
        self.answered = now
        if final_number > self.final_number:
            self.final_number, self.moved = final_number, now


class _HeardQuorum(EndpointQuorum):
    """Notes each answer, so that an endpoint that hangs or stands still is not taken for a quiet vault."""

    def __init__(
        self, endpoints: Sequence[Endpoint], config: ChainConfig, pulse: Pulse, light: BeaconClient | None
    ) -> None:
        layout = profile_of(config.chain_id, config.profile).layout
        super().__init__(endpoints, config.quorum, config.dissent_ms / 1000, layout, light)
        self._pulse = pulse

    async def tips(self, policy: FinalityPolicy, watched_number: int) -> Tips:
        tips = await super().tips(policy, watched_number)
        self._pulse.note(trio.current_time(), tips.final_number)
        return tips


class BridgeService:
    """Runs a watcher of each chain that genesis or an amendment lists."""

    def __init__(
        self,
        genesis: Genesis,
        configs: Mapping[int, ChainConfig],
        folder: Path,
        pool: AttestationPool,
        own: OwnBranch | None = None,
    ) -> None:
        """`genesis`: as amended where the node starts. `own`: what checkpoints of the vaults are compared with.

        Raises LocalFault CONFIG_MISSING: a chain without settings.
        """
        missing = [chain.chain_id for chain in genesis.chains if chain.chain_id not in configs]
        if missing:
            raise LocalFault(NodeCode.CONFIG_MISSING, "chains", chain_id=missing[0])
        self._configs, self._own = configs, own
        self._pool = pool
        self._folder = folder
        self._store = FileFactStore(folder)
        self._chains: dict[int, WatchedChain] = {}
        # Unbounded, because a restart lists chains before anything runs; genesis bounds their number.
        self._listed, self._to_watch = trio.open_memory_channel[int](math.inf)
        self._submissions = Submissions()
        self.watchers: dict[int, Watcher] = {}
        self.evidence = EvidenceStore(folder / "evidence")
        self.keepers: dict[int, EvidenceCollector] = {}
        self.branches: dict[int, BranchWatch] = {}
        self.pulses: dict[int, Pulse] = {}
        self.lights: dict[int, BeaconClient] = {}
        self._alarms = set[tuple[int, Alarm]]()
        self._expired: dict[int, tuple[ExpiredWithdrawal, ...]] = {}
        self.follow(genesis)

    async def run(self, network: Network, changed: Callable[[], None], keep: Keep = run_plainly) -> None:
        """Watch every chain for ever, a new one from the block that lists it on; `changed` is called when there is
        something new to attest. `keep` runs each chain's watcher, and starts it again when it fails."""
        async with trio.open_nursery() as nursery:
            async for chain_id in self._to_watch:
                nursery.start_soon(keep, f"chain-{chain_id}", partial(self._run_chain, chain_id, network, changed))

    async def _run_chain(self, chain_id: int, network: Network, changed: Callable[[], None]) -> None:
        """Watch one chain for ever, also after it was halted: what was submitted of it then says so."""
        config = self._configs[chain_id]
        async with AsyncExitStack() as stack, trio.open_nursery() as nursery:
            endpoints = [
                await stack.enter_async_context(Endpoint(url, timeout_seconds=config.timeout_ms / 1000))
                for url in config.endpoints
            ]
            # As listed now: amendments may have come since it began.
            chain, now = self._chains[chain_id], trio.current_time()
            pulse = self.pulses[chain_id] = Pulse(now, now)
            light = light_client_of(config, self._folder, stack)
            if light is not None:
                self.lights[chain_id] = light
                nursery.start_soon(light.run)
            quorum = _HeardQuorum(endpoints, config, pulse, light)
            sight = partial(self._sight, chain_id, changed)
            keeper = self.keepers[chain_id] = EvidenceCollector(chain, quorum, self.evidence.save)
            back = ExpiredWithdrawalQuery(partial(self._expired_of, chain_id), partial(self._miss, chain_id, changed))
            emit = partial(self._emit, network, changed)
            alarm = partial(self._alarmed, chain_id, changed)
            file = BranchFile(self._folder, chain_id)
            branch = self.branches[chain_id] = BranchWatch(file, chain_id, chain.vault, self._own)
            watcher = self.watchers[chain_id] = Watcher(
                chain, quorum, self._store, emit, sight, keeper, back, alarm, branch=branch
            )
            nursery.start_soon(self._watch, watcher)
            nursery.start_soon(keeper.run)
            nursery.start_soon(self._submissions.follow, chain_id, SubmittedEventReader(chain, quorum), watcher, emit)

    def follow(self, genesis: Genesis) -> None:
        """From here on the chains, tokens and strides that amendments made. A chain without settings is not watched."""
        for terms in genesis.chains:
            chain_id = terms.chain_id
            if chain_id not in self._configs:
                log.error("a chain is listed and not configured: nothing of it is attested", chain_id=chain_id)
                continue
            before = self._chains.get(chain_id)
            after = self._chains[chain_id] = _watched(genesis, chain_id, self._configs[chain_id])
            if before is None:
                self._begin(after)
            elif after != before and chain_id in self.watchers:
                self.watchers[chain_id].chain = after
                self.keepers[chain_id].follow(after)

    def _begin(self, chain: WatchedChain) -> None:
        for fact in self._store.pending(chain.chain_id):
            # What was seen and not agreed on before a restart is attested again.
            self._pool.add(fact)
        # But only when endpoints were asked whether one disputes the blocks.
        self._pool.withhold(chain.chain_id, withheld=True)
        self._listed.send_nowait(chain.chain_id)

    def strayed(self, chain_id: int) -> AcceptedCheckpoint | None:
        """What a chain's vault accepted instead of the network's header, as its watcher proved."""
        branch = self.branches.get(chain_id)
        return branch.strayed if branch is not None else None

    def look_for(self, event: CollateralEvent) -> Submission:
        """Prove and attest a submitted event, if this node watches its chain and has room."""
        if event.chain_id not in self._chains:
            return Submission.NOT_WATCHED
        return self._submissions.submit(event)

    def submission_status(self, chain_id: int, reference: bytes, state: State) -> SubmissionStatus | None:
        """How far a submitted event is; None when it is not remembered here."""
        return self._submissions.status(chain_id, reference, state)

    async def listen(self, incoming: trio.MemoryReceiveChannel[Incoming]) -> None:
        """Log what peers say they proved; the own watcher does not use it."""
        async for message in incoming:
            try:
                event = decode(message.data, CollateralGossip, GOSSIP_BYTES_MAX).event
            except RemoteFault as fault:
                log.warning("collateral gossip refused", peer=message.sender.hex(), fault=str(fault))
                continue
            log.debug("peer saw collateral event", key=fact_key(event), peer=message.sender.hex())

    def settle(self, state: State) -> None:
        """Forget, on disk too, the events that the decided state has taken; note which withdrawals expired."""
        self._submissions.settle(state)
        for chain_id in self._chains:
            self._store.settle(chain_id, lambda fact: event_is_agreed(state, fact))
            self._expired[chain_id] = _oldest_expired(state, chain_id)

    async def _emit(self, network: Network, changed: Callable[[], None], fact: Fact) -> None:
        self._pool.add(fact)
        changed()
        if isinstance(fact, VaultFact):
            network.publish(Topic.COLLATERAL, encode(CollateralGossip(fact)))

    def _alarmed(self, chain_id: int, changed: Callable[[], None], alarm: Alarm, why: str) -> None:
        """Log what began or ended; withhold what the chain's blocks say while they are in doubt."""
        if alarm is Alarm.BLOCKS_IN_DOUBT:
            self._pool.withhold(chain_id, withheld=bool(why))
            changed()
        if why and why != NOT_CHECKED:
            self._alarms.add((chain_id, alarm))
            log.error(alarm.value, chain_id=chain_id, why=why)
        elif not why and (chain_id, alarm) in self._alarms:
            self._alarms.discard((chain_id, alarm))
            log.info("over", alarm=alarm.value, chain_id=chain_id)

    def _sight(self, chain_id: int, changed: Callable[[], None], view: tuple[DepositSighted, ...]) -> None:
        if self._pool.sight(chain_id, view):
            changed()

    def _expired_of(self, chain_id: int) -> tuple[ExpiredWithdrawal, ...]:
        return self._expired.get(chain_id, ())

    def _miss(self, chain_id: int, changed: Callable[[], None], view: tuple[WithdrawalNotExecuted, ...]) -> None:
        if self._pool.miss(chain_id, view):
            changed()

    async def _watch(self, watcher: Watcher) -> None:
        halt = await watcher.run()
        log.error("chain halted", chain_id=watcher.chain.chain_id, code=halt.code, reason=halt.reason)


valid_collateral = carries(CollateralGossip, GOSSIP_BYTES_MAX)
"""Gossip validator: whether the bytes are a `CollateralGossip`."""


def _watched(genesis: Genesis, chain_id: int, config: ChainConfig) -> WatchedChain:
    terms = next(chain for chain in genesis.chains if chain.chain_id == chain_id)
    listed = [asset for asset in genesis.assets if asset.chain_id == chain_id]
    profile = profile_of(chain_id, config.profile)
    lends = genesis.soft_credit.house_ppm > 0 and any(asset.soft_credit_ppm for asset in listed)
    return WatchedChain(
        chain_id=chain_id,
        vault=terms.vault,
        deployment_block=max(terms.vault_block, 1),
        tokens=tuple(asset.token for asset in listed),
        balances=tuple(asset.balances for asset in listed),
        finality=profile.finality(config.quorum, config.confirmations),
        custody_stride=terms.custody_stride,
        poll_seconds=config.poll_ms / 1000,
        blooms=profile.facts.logs.blooms,
        logs=profile.log_range(config.logs_span),
        sight_depth=genesis.soft_credit.sight_depth if lends else 0,
    )


def _oldest_expired(state: State, chain_id: int) -> tuple[ExpiredWithdrawal, ...]:
    """Open withdrawals of a chain that may come back and whose time is over by the network's clock, oldest first, as
    many as fit into one query."""
    found = expired_withdrawals(state, chain_id, open_withdrawals(state))
    return tuple(ExpiredWithdrawal(*expired) for expired in islice(found, AT_ONCE))
