"""`Health`: whether the node does its work, as named conditions.

Rule: reads counters and ages; decides nothing. A condition that fails says what is wrong with numbers.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import trio

from bridge.beacon.light_client import BeaconClient
from clearing.schema.terms.genesis import Genesis
from member.api.state import Check
from node.agreement.upgrade_watch import UpgradeStanding
from node.agreement.validator_membership import Membership
from node.chains.bridge_service import BridgeService
from node.chains.conflicts import ConflictStanding
from node.chains.header_signatures import SignatureCollection
from node.chains.provider_diversity import ProviderDiversity
from node.chains.relayer_purse import RelayerPurse
from node.epochs.packages import PackageService
from node.oracle.service import OracleService
from node.oracle.several_sources import FeedStanding
from node.oracle.surfaces.surface_source import SurfaceStanding
from node.p2p.libp2p.network import LibP2PNetwork

BLOCK_AGE_MS_MAX = 10_000
ORACLE_AGE_MS_MAX = 5_000
CHAIN_SILENCE_SECONDS_MAX = 30.0
"""Several times what one poll may take with every endpoint timing out."""
UNSIGNED_SECONDS_MAX = 60.0
"""How long a header may wait for a quorum's secp256k1 signatures: validators repeat theirs four times meanwhile."""
AHEAD_SECONDS_MAX = 600.0
"""How long a vault may have a checkpoint above the own height before an operator must look at it."""
PROOF_WAIT_SECONDS_MAX = 900.0
"""How long an epoch may wait for its package: a proof takes seconds to minutes, and is tried three times."""
FREE_BYTES_MIN = 256 << 20
"""Below that the home's disk may be full within hours; the node ends when it is (R0907)."""
LOST_SHOWN = 4
"""Of the epochs that were given up, the newest."""
CHAIN_BEHIND_MAX = 64
"""Final blocks not looked at yet; more than the watcher links one by one is catching up."""


class HealthMonitor:
    """Knows the services, and is known by the API alone."""

    def __init__(
        self,
        network: LibP2PNetwork,
        oracle: OracleService | None,
        bridge: BridgeService,
        genesis: Genesis,
        membership: Membership,
        heartbeat_ms: int,
        clock_ms: Callable[[], int],
        signer_connected: Callable[[], bool] | None = None,
        diversity: Callable[[], Sequence[ProviderDiversity]] = tuple,
        conflicts: Callable[[], Sequence[ConflictStanding]] = tuple,
        upgrade: Callable[[], UpgradeStanding | None] = lambda: None,
        collection: Callable[[], SignatureCollection | None] = lambda: None,
        services: Callable[[], Sequence[Check]] = tuple,
        packages: PackageService | None = None,
        purses: Mapping[int, RelayerPurse] | None = None,
        free_bytes: Callable[[], int] | None = None,
        feeds: Callable[[], Sequence[FeedStanding]] = tuple,
        surfaces: Callable[[], Sequence[SurfaceStanding]] = tuple,
    ) -> None:
        """`oracle` is None for a validator that reports no prices, `signer_connected` for one that signs itself.
        `services`: a condition for each service that failed. `packages` is None for a node that proves nothing."""
        self._feeds = feeds
        self._surfaces = surfaces
        self._services = services
        self._free_bytes = free_bytes
        self._packages = packages
        self._purses = {} if purses is None else purses
        self._collection = collection
        self._signer_connected = signer_connected
        self._diversity = diversity
        self._conflicts = conflicts
        self._upgrade = upgrade
        self._network = network
        self._oracle = oracle
        self._bridge = bridge
        self._membership = membership
        self._still_seconds_max = {chain.chain_id: chain.heartbeat_ms_max / 1000 for chain in genesis.chains}
        self._block_age_ms_max = max(BLOCK_AGE_MS_MAX, 4 * heartbeat_ms)
        self._clock_ms = clock_ms
        self._decided_ms = 0
        self._halted_assets: Mapping[int, str] = {}

    def decided(self) -> None:
        """A height was decided just now."""
        self._decided_ms = self._clock_ms()

    def follow(self, genesis: Genesis) -> None:
        """From here on the chains that amendments list."""
        self._still_seconds_max = {chain.chain_id: chain.heartbeat_ms_max / 1000 for chain in genesis.chains}

    def show_halts(self, halted: Mapping[int, str]) -> None:
        """From here on these assets are halted, each with its reason."""
        self._halted_assets = halted

    def checks(self) -> Sequence[Check]:
        """Peers, blocks, oracle, each chain."""
        now = self._clock_ms()
        block_age = now - self._decided_ms if self._decided_ms else -1
        fresh = 0 <= block_age <= self._block_age_ms_max
        return (
            self._peers(),
            Check(name="blocks", ok=fresh, detail=f"newest decided {block_age} ms ago" if self._decided_ms else "none"),
            self._validator(),
            *self._upgrade_checks(),
            *self._signer_checks(),
            *self._oracle_checks(now),
            *self.feed_checks(),
            *self.surface_checks(now),
            *(self._chain(chain_id) for chain_id in sorted(self._still_seconds_max)),
            *self._shortages(),
            *self._vaults_ahead(),
            *(Check(name=f"asset-{asset}", ok=False, detail=why) for asset, why in self._halted_assets.items()),
            *(_light_client_check(chain_id, light) for chain_id, light in sorted(self._bridge.lights.items())),
            *map(_providers_check, self._diversity()),
            *map(_conflict_check, self._conflicts()),
            *_collection_checks(self._collection()),
            *_proof_checks(self._packages),
            *_disk_checks(self._free_bytes),
            *(_purse_check(chain_id, purse) for chain_id, purse in sorted(self._purses.items())),
            *self._services(),
        )

    def _peers(self) -> Check:
        """Well with more than a third of the validators, so that not all of them lie: the others' messages are passed
        on."""
        others = self._membership.others
        linked = others & self._network.peers
        needed = min(len(others), len(self._membership.now.validators) // 3 + 1)
        detail = f"{len(linked)} validators connected, {needed} needed"
        missing = ", ".join(sorted(key.hex()[:16] for key in others - linked))
        return Check(
            name="peers", ok=len(linked) >= needed, detail=f"{detail}; no link to {missing}" if missing else detail
        )

    def _validator(self) -> Check:
        """For the operators' eyes: a node that only follows does its work, too."""
        membership, key = self._membership, self._membership.own_key.hex()
        if not membership.is_validator:
            return Check(name="validator", ok=True, detail=f"not in the validator set: {key} signs nothing")
        power = membership.now.validators[membership.now.index_of[membership.own_key]].power
        return Check(name="validator", ok=True, detail=f"{key} with power {power} of {membership.now.total_power}")

    def _upgrade_checks(self) -> Sequence[Check]:
        standing = self._upgrade()
        return () if standing is None else (upgrade_check(standing),)

    def _signer_checks(self) -> Sequence[Check]:
        if self._signer_connected is None:
            return ()
        connected = self._signer_connected()
        return (Check(name="signer", ok=connected, detail="connected" if connected else "nothing is signed"),)

    def _oracle_checks(self, now_ms: int) -> Sequence[Check]:
        if self._oracle is None:
            return ()
        reports = self._oracle.reports
        age = now_ms - min(report.time_ms for report in reports) if reports else -1
        detail = f"own prices {age} ms old" if reports else "no prices yet"
        return (Check(name="oracle", ok=0 <= age <= ORACLE_AGE_MS_MAX, detail=detail),)

    def feed_checks(self) -> Sequence[Check]:
        """Well while enough sources are usable; those that are not are for the operators' eyes before."""
        return [
            Check(name=f"feed-{standing.config.name}", ok=standing.ok, detail=standing.detail)
            for standing in self._feeds()
        ]

    def surface_checks(self, now_ms: int) -> Sequence[Check]:
        """Well while the own report is fresh; sources that don't count are for the operators' eyes before."""
        return [
            Check(name=f"surface-{each.config.name}", ok=each.fresh(now_ms) is not None, detail=each.detail(now_ms))
            for each in self._surfaces()
        ]

    def _chain(self, chain_id: int) -> Check:
        name, watcher = f"chain-{chain_id}", self._bridge.watchers.get(chain_id)
        pulse = self._bridge.pulses.get(chain_id)
        if watcher is None or pulse is None:
            return Check(name=name, ok=False, detail="not watched: listed, and without settings or not started")
        status, now, still_max = watcher.status, trio.current_time(), self._still_seconds_max[chain_id]
        if status.halt is not None:
            return Check(name=name, ok=False, detail=f"halted: {status.halt.reason}")
        behind = status.final_number - status.scanned_number
        detail = f"scanned {status.scanned_number} of {status.final_number} final blocks"
        if watcher.dissents:
            detail += f"; don't agree: {', '.join(dissent.endpoint for dissent in watcher.dissents)}"
        silent, still = now - pulse.answered, now - pulse.moved
        if status.doubt:
            return Check(name=name, ok=False, detail=f"{detail}; nothing is attested: {status.doubt}")
        if status.last_fault:
            return Check(name=name, ok=False, detail=f"{detail}; {status.last_fault}")
        if status.custody_fault:
            return Check(name=name, ok=False, detail=f"{detail}; custody is not read: {status.custody_fault}")
        if status.expired_fault:
            return Check(name=name, ok=False, detail=f"{detail}; expired withdrawals: {status.expired_fault}")
        if silent > CHAIN_SILENCE_SECONDS_MAX:
            return Check(name=name, ok=False, detail=f"{detail}; no answer for {silent:.0f} s")
        if still_max and still > still_max:
            return Check(name=name, ok=False, detail=f"{detail}; no new final block for {still:.0f} s")
        return Check(name=name, ok=status.scanned_number > 0 and behind <= CHAIN_BEHIND_MAX, detail=detail)

    def _shortages(self) -> Iterator[Check]:
        """The vaults that lack some of a token; the other tokens of their chains go on."""
        for chain_id in sorted(self._still_seconds_max):
            watcher = self._bridge.watchers.get(chain_id)
            if watcher is not None and watcher.status.shortage:
                yield Check(name=f"vault-{chain_id}", ok=False, detail=watcher.status.shortage)

    def _vaults_ahead(self) -> Iterator[Check]:
        """Vaults with headers that this node has not got: no proof of anything, but after a while somebody must look.
        What strays halts its chain, which says so."""
        for chain_id in sorted(self._still_seconds_max):
            branch = self._bridge.branches.get(chain_id)
            if branch is not None and (waiting := branch.waiting):
                found = f"{len(waiting)} headers above the own height, the first at {waiting[0].height}"
                seconds = branch.waiting_seconds
                yield Check(
                    name=f"vault-branch-{chain_id}",
                    ok=seconds <= AHEAD_SECONDS_MAX,
                    detail=f"the vault has {found}, for {seconds:.0f} s",
                )


def upgrade_check(standing: UpgradeStanding) -> Check:
    """Well until the node has stopped: a release that will be too old is for the operators' eyes before."""
    return Check(name="upgrade", ok=standing.missing is None, detail=standing.detail)


def _light_client_check(chain_id: int, light: BeaconClient) -> Check:
    name = f"light-client-{chain_id}"
    if light.newest is None:
        return Check(name=name, ok=False, detail=f"nothing proven yet; {light.last_fault}")
    detail = f"block {light.newest} proven final; its slot is {light.seconds_behind:.0f} s old"
    if light.last_fault:
        return Check(name=name, ok=False, detail=f"{detail}; {light.last_fault}")
    return Check(name=name, ok=not light.is_late, detail=detail)


def _conflict_check(conflict: ConflictStanding) -> Check:
    """Well while nothing is left for this node to do: what became of it is for the operators' eyes."""
    answers = "; ".join(map(str, conflict.vaults)) or "this node writes to no vault"
    return Check(
        name=f"conflict-{conflict.height}",
        ok=conflict.is_shown,
        detail=f"two certified headers of one height: {answers}",
    )


def _collection_checks(collection: SignatureCollection | None) -> Sequence[Check]:
    """Vaults on chains without EIP-2537 learn nothing while too few validators sign."""
    if collection is None:
        return ()
    signed = f"{collection.signed} of {collection.validators} validators signed header {collection.height}"
    certified = f"the newest that a quorum signed is {collection.certified_height}"
    waiting = f"{signed}; {certified}; one has waited for {collection.waiting_seconds:.0f} s"
    ok = collection.waiting_seconds <= UNSIGNED_SECONDS_MAX
    return (Check(name="header-signatures", ok=ok, detail=waiting),)


def _proof_checks(packages: PackageService | None) -> Sequence[Check]:
    """An epoch that is given up here may lack a package for ever; one that waits for long says that proofs are late."""
    if packages is None:
        return ()
    waiting = packages.waiting
    waited = packages.waited_seconds
    oldest = f", the oldest is {waiting[0]}, one for {waited:.0f} s" if waiting else ""
    detail = f"{len(waiting)} epochs wait for a proof{oldest}"
    lost = "; ".join(
        f"epoch {epoch} is not proven here: {why}" for epoch, why in sorted(packages.lost.items())[-LOST_SHOWN:]
    )
    ok = not lost and waited <= PROOF_WAIT_SECONDS_MAX
    return (Check(name="proofs", ok=ok, detail=f"{detail}; {lost}" if lost else detail),)


def _disk_checks(free_bytes: Callable[[], int] | None) -> Sequence[Check]:
    if free_bytes is None:
        return ()
    free = free_bytes()
    return (Check(name="disk", ok=free >= FREE_BYTES_MIN, detail=f"the home has room for {free >> 20} MiB more"),)


def _purse_check(chain_id: int, purse: RelayerPurse) -> Check:
    """For the operators' eyes: other relayers stand in for one without gas."""
    balance = f"0x{purse.address.hex()} has {purse.balance_wei} wei"
    return Check(name=f"relayer-{chain_id}", ok=True, detail=f"{balance}: enough for {purse.rounds} checkpoints")


def _providers_check(diversity: ProviderDiversity) -> Check:
    """For the operators' eyes: a node does its work with any providers."""
    shares = ", ".join(f"{ppm // 10_000} %" for ppm in diversity.reached_ppm)
    counts = f"{diversity.providers} providers, stated by {diversity.published} of {diversity.validators} validators"
    return Check(
        name=f"providers-{diversity.chain_id}",
        ok=True,
        detail=f"{counts}; 1, 2, 3 of them reach the quorums of {shares} of the power",
    )
