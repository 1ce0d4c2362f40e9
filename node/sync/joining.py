"""How a node without blocks begins: it fetches a state from peers before consensus starts, or leaves it to block sync.

Rule: it runs with the home locked and a network of its own, which ends before consensus starts. It writes only what was
checked, in one transaction; the start that follows reads it back as any restart does, and compares every root again. A
key may have signed before: its sign state is lost, or peers show its votes. It then stays silent for as long as it
could contradict itself. Where no peer tells how long, the node doesn't start.
"""

from collections.abc import Callable
from dataclasses import dataclass

import structlog
import trio

from clearing.base import ed25519
from clearing.base.codec import encode
from clearing.base.errors import LocalFault, RemoteFault
from clearing.base.validators import ValidatorSet
from clearing.schema.terms.genesis import Genesis, network_id
from consensus.codes import ConsensusCode
from consensus.light_client import CurveLightVerifier, LightBlock, TrustPolicy
from consensus.messages import MessageKind, envelope_digest
from consensus.signing import CurveVerifier
from consensus.sync.state_sync import FirstSet
from member.codes import NodeCode
from member.keys.key_folder import KeyKind, public_of
from node.agreement.application import state_salt
from node.agreement.upgrade_watch import refuse_release
from node.agreement.validator_addresses import AddressWatch, own_record, valid_address
from node.chains.vault_anchor import newest_checkpoint
from node.config import NodeConfig, config_of_chains
from node.p2p.config import network_config
from node.p2p.libp2p.network import LibP2PNetwork
from node.p2p.network import Topic
from node.signer.node_keys import NodeKeys
from node.signer.sign_state import LAST_IN_HEIGHT, SIGN_STATE, SignedStep, SignStateFile, has_sign_state, recovered_path
from node.store.records import BlockRecord
from node.store.store import Commit, Store
from node.sync.chunks import ChunkStore
from node.sync.peer_talk import PeerTalk
from node.sync.restore import Restored, position_of, read_saved
from node.sync.search import StateSearch
from node.sync.state_sync import Curves, Joined, StateSync, SyncAnchor

UNSEEN_HEIGHTS = 2
"""So far above what a quorum shows, a validator could have signed."""

log = structlog.get_logger(__name__)


async def begin_from_peers(
    config: NodeConfig,
    genesis: Genesis,
    open_keys: Callable[[], NodeKeys],
    clock_ms: Callable[[], int],
    search: StateSearch,
) -> bool:
    """Fill an empty home with a state from peers; False when it is not empty, or blocks are to be executed instead.

    Raises LocalFault: TRUST_EXPIRED, NO_ANCHOR, SIGN_STATE_MISSING, and what opening the home raises.
    """
    network = network_id(genesis)
    path = config.path(SIGN_STATE)
    # Keys in a process of their own have their sign state there.
    lost = not config.signer.address and not has_sign_state(path)
    kept = ChunkStore(config.path("incoming-state"))
    guard = SignStateFile(recovered_path(path) if lost else path)
    try:
        with Store(config.path("node.sqlite"), network) as store:
            if store.height() > 0:
                kept.discard()
                return False
            keys = open_keys()
            if _is_alone(config, genesis, public_of(KeyKind.ED25519, keys.envelope)):
                refuse_used_key(config, lost, "there is no peer to ask")
                return False
            anchor = await anchor_of(config, genesis)
            log.info("looking for a state", anchor_height=anchor.height, anchor_hash=anchor.hash.hex())
            signer = _EnvelopeKey(network, keys.envelope)
            p2p = LibP2PNetwork(network_config(config, network, keys))
            announced = p2p.subscribe(Topic.ADDRESSES, valid_address)
            async with p2p.running():
                talk = PeerTalk(network, signer, CurveVerifier(), p2p)
                async with trio.open_nursery() as nursery:
                    await nursery.start(talk.run)
                    nursery.start_soon(search.watch, config, p2p)

                    listed = _Listed(signer.envelope_key)
                    addresses = AddressWatch(own_record(config.p2p.announce, clock_ms()), listed, p2p.learn)

                    def meet(validators: ValidatorSet) -> None:
                        """Let all of them connect, and dial those that announce themselves: settings name a few."""
                        is_first, listed.keys = not listed.keys, frozenset(validators.index_of)
                        p2p.admit(listed.keys)
                        if is_first:
                            nursery.start_soon(addresses.run, p2p)
                            nursery.start_soon(addresses.listen, announced)

                    joined = await _fetch(config, genesis, keys, talk, anchor, clock_ms, guard, kept, meet, lost=lost)
                    nursery.cancel_scope.cancel()
            if joined is None:
                log.info("blocks are executed from the first")
                if lost:
                    guard.publish(path)
                kept.discard()
                return False
            if lost:
                guard.publish(path)
            store.save_joined(*rows_of(joined))
            kept.discard()
            log.info("joined", height=joined.light.header.height, state_root=joined.light.header.state_root.hex())
            return True
    finally:
        kept.close()
        guard.close()


async def _fetch(
    config: NodeConfig,
    genesis: Genesis,
    keys: NodeKeys,
    talk: PeerTalk,
    anchor: SyncAnchor,
    clock_ms: Callable[[], int],
    guard: SignStateFile,
    kept: ChunkStore,
    meet: Callable[[ValidatorSet], None],
    *,
    lost: bool,
) -> Joined | None:
    salt = state_salt(keys.network_seed)

    async def check(light: LightBlock, data: bytes) -> None:
        await trio.to_thread.run_sync(check_state, genesis, salt, light, data)

    settings = config.state_sync
    sync = StateSync(
        talk,
        anchor,
        TrustPolicy(trusting_period_ms=settings.trusting_period_s * 1000),
        Curves(CurveLightVerifier(), CurveVerifier()),
        clock_ms,
        check,
        settings.offers_ms / 1000,
        kept,
    )
    own = public_of(KeyKind.ED25519, keys.envelope)
    # The first of a new network must not wait for the others without an API.
    joined = await sync.run(own, patient=lost or own not in genesis.validators.index_of)
    if config.signer.address:
        return joined
    forgets = guard.last.height == 0 and not config.path(config.consensus.wal).exists()
    used = lost or (forgets and not sync.is_new and await sync.is_voter(own))
    if joined is None and used:
        # As before the first epoch closes: nothing is signed while the blocks are executed.
        newest = await sync.newest_set()
        nobody = newest is None or not frozenset(newest.index_of) - {own}
        refuse_used_key(config, nobody, "no state is offered by enough validators, and none of them shows a block")
        while newest is not None:
            meet(newest)
            height = await silent_height(sync, newest, own)
            asked, newest = newest, sync.highest_set
            if newest is None or newest.hash == asked.hash:
                # A peer may have shown an old header first: those who were asked are those of the highest.
                close_heights(guard, height)
                break
    elif joined is not None and used and forgets:
        meet(joined.light.next_validators)
        await keep_silent(guard, sync, joined.light.next_validators, own)
    return joined


@dataclass(slots=True)
class _Listed:
    """Implements `node.agreement.validator_addresses.Listed` by a set that peers have shown."""

    own_key: bytes
    keys: frozenset[bytes] = frozenset()

    @property
    def is_validator(self) -> bool:
        """See `Listed`."""
        return self.own_key in self.keys


def _is_alone(config: NodeConfig, genesis: Genesis, own: bytes) -> bool:
    """Whether it is a network of its own, as far as genesis and settings say."""
    index = genesis.validators.index_of.get(own)
    return (
        index is not None
        and not config.p2p.peers
        and genesis.validators.is_quorum(genesis.validators.validators[index].power)
    )


def refuse_used_key(config: NodeConfig, used: bool, why: str) -> None:
    """Raises LocalFault SIGN_STATE_MISSING for a key that may have signed: from the first block on, it would again."""
    if used:
        raise LocalFault(NodeCode.SIGN_STATE_MISSING, str(config.path(SIGN_STATE)), why=why)


async def keep_silent(guard: SignStateFile, sync: StateSync, validators: ValidatorSet, own: bytes) -> None:
    """Close the heights that the key could have signed before, as a validator of this set or of an earlier one.

    It had the block below the one it signed for, and that block's voters the one below. Among the others of a quorum is
    an honest one of them, also when less than a third of the power lies besides. So nothing was signed more than
    `UNSEEN_HEIGHTS` above the highest.
    """
    close_heights(guard, await silent_height(sync, validators, own))


async def silent_height(sync: StateSync, validators: ValidatorSet, own: bytes) -> int:
    """The highest height that the key may have signed for. Waits for the answers of these validators."""
    return await sync.newest_height(validators, own) + UNSEEN_HEIGHTS


def close_heights(guard: SignStateFile, height: int) -> None:
    """Sign nothing up to this height."""
    guard.advance(SignedStep(height, *LAST_IN_HEIGHT), bytes(32))
    log.warning("the key may have signed before: it signs nothing up to this height", height=height)


async def anchor_of(config: NodeConfig, genesis: Genesis) -> SyncAnchor:
    """Where trust begins, as the settings say.

    Raises LocalFault CONFIG_MISSING for a height without hash, RemoteFault when a vault's checkpoint can't be read.
    """
    first = FirstSet(network_id(genesis), genesis.validators)
    settings = config.state_sync
    if settings.trust_height:
        if not settings.trust_hash:
            raise LocalFault(NodeCode.CONFIG_MISSING, "state_sync.trust_hash", trust_height=settings.trust_height)
        return SyncAnchor(first, settings.trust_height, bytes.fromhex(settings.trust_hash))
    if settings.trust_chain:
        checkpoint = await newest_checkpoint(genesis, config_of_chains(config), settings.trust_chain)
        return SyncAnchor(first, *checkpoint)
    return SyncAnchor(first)


def check_state(genesis: Genesis, salt: bytes, light: LightBlock, data: bytes) -> None:
    """Check a whole snapshot against its certified header. Raises RemoteFault, and LocalFault RELEASE_TOO_OLD or
    RELEASE_TOO_NEW for a good one whose next block this release cannot execute."""
    try:
        restored = read_saved(genesis, salt, light.header, data)
        _check_sets(restored, light)
    except RemoteFault:
        raise
    except Exception as error:
        # Hostile bytes may decode and still break an index that is rebuilt from them.
        raise RemoteFault(ConsensusCode.SNAPSHOT_REFUSED, "state", why=repr(error)) from error
    refuse_release(restored.state)


def _check_sets(restored: Restored, light: LightBlock) -> None:
    position = position_of(restored)
    stated = (light.header.validators_hash, light.header.next_validators_hash)
    if (position.last_validators.hash, position.validators.hash) != stated:
        raise RemoteFault(ConsensusCode.SNAPSHOT_REFUSED, "validators", height=restored.height)


class _EnvelopeKey:
    """Signs what a joining node asks: it has no votes to sign."""

    def __init__(self, network: bytes, secret: bytes) -> None:
        self._network, self._secret = network, secret
        self.envelope_key = public_of(KeyKind.ED25519, secret)

    def sign_envelope(self, kind: MessageKind, body: bytes) -> bytes:
        """See `consensus.signing.Signer`."""
        return ed25519.sign(self._secret, envelope_digest(self._network, self.envelope_key, kind, body))


def rows_of(joined: Joined) -> tuple[Commit, dict[bytes, bytes]]:
    """What the store keeps of it."""
    committed = joined.committed
    record = BlockRecord(
        height=committed.block.header.height,
        block=encode(committed.block),
        certificate=encode(committed.certificate),
        extended_commit=encode(committed.extensions),
    )
    sets = (joined.light.validators, joined.light.next_validators)
    return Commit(record, snapshot=joined.data), {bytes(validators.hash): encode(validators) for validators in sets}
