"""`RelayerService`: sends each vault the newest certified header when it needs one, claims withdrawals due there, and
shows it the network's newest order, conflicts, and where it stands below one.

Rule: it is not trusted: the contract checks everything. What it claims is what the newest state does not know as paid
or refunded yet.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import structlog
import trio

from bridge.contracts.schemes import CertificateScheme
from bridge.contracts.vault import CertifiedHeader, VaultClaim, VaultOrder
from bridge.relay.claim_queue import ClaimQueue, RelayerPlace
from bridge.relay.relayer import Relayable, Relayed, Relayer, Rotation
from bridge.relay.transactions import Sender
from bridge.relay.vault_freeze import VaultFreezer
from bridge.rpc.chain_profiles import profile_of
from bridge.rpc.endpoint import Endpoint
from bridge.watch.branch import AcceptedCheckpoint
from clearing.base.header import Header
from clearing.base.validators import ValidatorSet
from clearing.schema.terms.chains import ChainTerms
from clearing.schema.terms.genesis import Genesis
from clearing.state.state import State
from clearing.state.withdrawals_tree import earlier_withdrawals_root, withdrawal_proof
from clearing.validators.validator_sets import stored_set, validator_sets
from clearing.withdrawals.guardian_orders import newest_guardian_orders
from clearing.withdrawals.refunds import open_withdrawals
from consensus.blocks.store import BlockStore, load_committed, load_set
from consensus.outputs import Decided
from node.agreement.application import ClearingApplication
from node.chains.conflicts import Conflicts
from node.chains.header_signatures import HeaderSignatures
from node.chains.relayer_purse import RelayerPurse, weigh_purse
from node.chains.stored_branch import StoredBranch
from node.chains.strayed_vaults import StrayedVaults, VaultAccess
from node.config import ChainConfig
from node.supervision import Keep, run_plainly

CHECKPOINT_SECONDS = 3600
"""How old a vault's newest checkpoint may become without a withdrawal that waits."""
TAKEOVER_ROUNDS = 4
"""Rounds that a relayer leaves to the one whose turn it is."""

log = structlog.get_logger(__name__)


class RelayerService:
    """One relayer a chain, all with one key."""

    def __init__(
        self,
        genesis: Genesis,
        configs: Mapping[int, ChainConfig],
        secret: bytes,
        application: ClearingApplication,
        blocks: BlockStore,
        interval_ms: int,
        own_key: bytes,
        conflicts: Conflicts,
        signatures: HeaderSignatures,
        strayed: Callable[[int], AcceptedCheckpoint | None] = lambda _: None,
    ) -> None:
        """`strayed`: what the watcher of a chain proved that its vault took instead of the network's header."""
        self._relayed: set[int] = set()
        self.purses: dict[int, RelayerPurse] = {}
        """By chain, once an endpoint has answered it."""
        # Unbounded, because a restart lists chains before anything runs; genesis bounds their number.
        self._listed, self._to_relay = trio.open_memory_channel[ChainTerms](math.inf)
        self._configs = configs
        self._secret = secret
        self._application = application
        self._blocks = blocks
        self._rotation: tuple[int, Rotation] | None = None
        """Of the change with this number, once loaded."""
        self._interval_seconds = interval_ms / 1000
        self._own_key = own_key
        self._conflicts = conflicts
        self._signatures = signatures
        self._branch = StoredBranch(blocks)
        self._strayed = StrayedVaults(strayed, self._own_certified, self._branch, conflicts.learn, self._place)
        self._newest: Decided | None = None
        self._own_header = (0, b"")
        """Height and hash of the last that was compared with the own blocks."""
        self.follow(genesis)

    def follow(self, genesis: Genesis) -> None:
        """Relay to the vaults of these chains too; to one without settings other relayers do."""
        for terms in genesis.chains:
            if terms.chain_id in self._configs and terms.chain_id not in self._relayed:
                self._relayed.add(terms.chain_id)
                self._listed.send_nowait(terms)

    def decided(self, decided: Decided) -> None:
        """Note the newest certified height, which the application has executed."""
        self._newest = decided

    async def run(self, keep: Keep = run_plainly) -> None:
        """Relay to all vaults for ever. `keep` runs each vault's relayer, and starts it again when it fails."""
        async with trio.open_nursery() as nursery:
            async for terms in self._to_relay:
                nursery.start_soon(keep, f"relayer-{terms.chain_id}", partial(self._relay_to, terms))

    async def _relay_to(self, terms: ChainTerms) -> None:
        """Relay to one vault for ever."""
        config = self._configs[terms.chain_id]
        async with Endpoint(config.endpoints[0]) as endpoint, trio.open_nursery() as nursery:
            # Loading the wallet library takes most of a second, and votes must not wait for it.
            sender = await trio.to_thread.run_sync(Sender, endpoint, terms.chain_id, self._secret)
            queue = ClaimQueue(takeover_seconds=TAKEOVER_ROUNDS * self._interval_seconds)
            relayer = Relayer(endpoint, sender, terms.vault, CHECKPOINT_SECONDS, queue)
            nursery.start_soon(self._serve, relayer, terms)
            nursery.start_soon(weigh_purse, endpoint, sender.address, self.purses, terms.chain_id)
            freezer, scheme = VaultFreezer(endpoint, terms.vault), self._scheme(terms)
            nursery.start_soon(
                self._conflicts.show, terms.chain_id, freezer, sender, self._place, self._interval_seconds, scheme
            )
            access = VaultAccess(terms.chain_id, terms.vault, terms.vault_block, scheme, endpoint, sender)
            nursery.start_soon(self._strayed.serve, access)

    async def _serve(self, relayer: Relayer, terms: ChainTerms) -> None:
        fault = ""

        def newest() -> Relayable | None:
            nonlocal fault
            if relayer.last_fault != fault:
                fault = relayer.last_fault
                if fault:  # also of a vault that diverged
                    log.warning("relaying failed", chain_id=terms.chain_id, fault=fault)
            return self._relayable(terms)

        def report(relayed: Relayed) -> None:
            log.info(
                "relayed",
                chain_id=terms.chain_id,
                checkpoint=relayed.checkpoint is not None,
                rotated=relayed.rotated,
                claimed=relayed.claims,
                refused=[nonce for nonce, _ in relayed.refused],
                order=relayed.order,
            )

        await relayer.run(newest, report, self._interval_seconds)

    def _relayable(self, terms: ChainTerms) -> Relayable | None:
        decided, state = self._newest, self._application.state
        if decided is None or decided.committed.block.header.height != state.now.height:
            return None
        scheme, sets = self._scheme(terms), validator_sets(state)
        header, certificate = decided.committed.block.header, decided.committed.certificate
        certified: CertifiedHeader | None = (header, certificate)
        if scheme is CertificateScheme.ECDSA:
            certified = self._signatures.certified(header.height, self._is_own)
        if certified is None:
            return None
        certifying = sets.last if certified[0] == header else load_set(self._blocks, certified[0].validators_hash)
        if certifying is None:
            return None
        return Relayable(
            *certified,
            certifying,
            open_claims(state, terms.chain_id, terms.vault),
            TreeProofs(state),
            self._rotation_of(state, terms, scheme),
            (sets.last, sets.next, *self._left_behind(state)),
            self._place_in(sets.last),
            newest_order(state, terms.chain_id, terms.vault),
        )

    def _is_own(self, header: Header) -> bool:
        """Whether it is this node's header of its height: a quorum may have signed another one, too."""
        if self._own_header != (header.height, header.hash):
            if self._branch.header_hash(header.height) != header.hash:
                return False
            self._own_header = (header.height, header.hash)
        return True

    def _own_certified(self, height: int, scheme: CertificateScheme) -> CertifiedHeader | None:
        """The own header of a height with the certificate that vaults of a scheme take, as far as it is here."""
        found = self._branch.certified(height)
        if found is None or scheme is CertificateScheme.BLS:
            return found
        signed = self._signatures.certificate(found[0])
        return None if signed is None else (found[0], signed)

    def _place(self) -> RelayerPlace:
        return self._place_in(validator_sets(self._application.state).last)

    def _place_in(self, validators: ValidatorSet) -> RelayerPlace:
        """A validator's relayer has its validator's place; any other one the first."""
        keys = [validator.envelope_key for validator in validators.validators]
        return RelayerPlace(keys.index(self._own_key) if self._own_key in keys else 0, len(keys))

    def _left_behind(self, state: State) -> tuple[ValidatorSet, ...]:
        """The set that a vault follows until the change under way reaches it."""
        set_change = state.set_changes.get(0)
        return (stored_set(state, set_change.number - 1),) if set_change is not None else ()

    def _scheme(self, terms: ChainTerms) -> CertificateScheme:
        config = self._configs.get(terms.chain_id)
        return profile_of(terms.chain_id, config.profile if config else "").scheme

    def _rotation_of(self, state: State, terms: ChainTerms, scheme: CertificateScheme) -> Rotation | None:
        """The next header that the vault lacks, from the own store however old it is."""
        set_change = state.set_changes.get(0)
        if set_change is None or (terms.chain_id, terms.vault) not in set_change.awaited_vaults:
            return None
        if self._rotation is None or self._rotation[0] != set_change.number:
            rotating = load_committed(self._blocks, set_change.height + 1)
            if rotating is None:
                # Not decided yet, or decided before this node joined: then another's relayer has it.
                return None
            before, after = stored_set(state, set_change.number - 1), stored_set(state, set_change.number)
            rotation = Rotation(rotating.block.header, rotating.certificate, before, after)
            self._rotation = (set_change.number, rotation)
        rotation = self._rotation[1]
        if scheme is CertificateScheme.BLS:
            return rotation
        signed = self._signatures.certificate(rotation.header)
        return None if signed is None else replace(rotation, certificate=signed)


class TreeProofs:
    """Proofs of the withdrawals tree in a node's state."""

    def __init__(self, state: State) -> None:
        self._state = state

    def root(self, count: int) -> bytes:
        """The root over the first `count` withdrawals."""
        return earlier_withdrawals_root(self._state, count)

    def siblings(self, nonces: Sequence[int], count: int) -> Sequence[bytes]:
        """What proves these withdrawals under that root."""
        return withdrawal_proof(self._state, nonces, count)


def open_claims(state: State, chain_id: int, vault: bytes) -> tuple[VaultClaim, ...]:
    """Open withdrawals of a vault, oldest first; also those past their not-after, because a pause of the
    vault may have given them more time."""
    waiting = ((nonce, state.withdrawals[nonce]) for nonce in open_withdrawals(state))
    return tuple(
        VaultClaim(
            nonce,
            released.account,
            released.token,
            released.to,
            int.from_bytes(released.amount, "big"),
            released.not_after_s,
        )
        for nonce, released in waiting
        if (released.chain_id, released.vault) == (chain_id, vault)
    )


def newest_order(state: State, chain_id: int, vault: bytes) -> VaultOrder | None:
    """The newest order of the network to a vault: the only one that still counts."""
    found = newest_guardian_orders(state).get((chain_id, vault))
    return None if found is None else VaultOrder(found[0], found[1].guardian)
