"""Conflicts: two certified headers of one height, shown to every vault that this node can write to.

Rule: a conflict is believed when both certificates are of sets that this node knows; what a vault makes of it, the
vault decides. Validators pass conflicts on to each other, so that the relayers of all chains learn of them, and keep
them on disk. Relayers take turns by their place and the height, so that one pays; a frozen vault costs nothing more.
A vault that has answered is asked again now and then, so that a reorg undoes no freeze.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
import trio

from bridge.contracts.schemes import CertificateScheme
from bridge.relay.claim_queue import RelayerPlace
from bridge.relay.transactions import Sender
from bridge.relay.vault_freeze import Freeze, FreezeOutcome, VaultFreezer
from clearing.base.codec import encode
from clearing.base.errors import RemoteFault
from clearing.base.hashing import sha256
from clearing.base.token_bucket import TokenBuckets
from clearing.base.validators import ValidatorSet
from member.durable_files import write_whole
from member.vaults.conflict import CONFLICT_BYTES_MAX, CONFLICT_SUFFIX, Conflict, check_conflict, read_conflict_bytes
from node.p2p.network import Incoming, Network, Topic, carries

KEPT_MAX = 16
"""Conflicts. Beyond that the oldest that no vault takes is dropped, or else the highest, which says the least."""
PUBLISH_SECONDS = 60.0
AGAIN_SECONDS = 60.0
"""A vault that gave its answer is asked again so often: a reorg may take it back, a rotation may change it."""
TURN_SECONDS = 60.0
"""Time that a relayer leaves to the one before it: several blocks of a slow chain."""
CHECKS_PER_SECOND, CHECKS_AT_ONCE = 1, 8
"""Conflicts from one peer whose certificates are checked; each takes 3 ms."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class VaultAnswer:
    """What a vault made of a conflict; `freeze` is None while its endpoint has a fault, or was not asked."""

    chain_id: int
    freeze: Freeze | None
    fault: str = ""

    @property
    def is_final(self) -> bool:
        """Whether the vault is frozen by it, or refuses it."""
        return self.freeze is not None and self.freeze.outcome is not FreezeOutcome.WOULD_FREEZE

    @property
    def is_frozen(self) -> bool:
        """Whether the vault is frozen by it, or by a lower one."""
        return self.freeze is not None and self.freeze.outcome is FreezeOutcome.FROZEN

    def __str__(self) -> str:
        outcome, why = (self.freeze.outcome.value, self.freeze.detail) if self.freeze else ("not shown", self.fault)
        return f"chain {self.chain_id} {outcome}" + (f": {why}" if why else "")


@dataclass(frozen=True, slots=True)
class ConflictStanding:
    """What the vaults that this node writes to made of the conflicts of one height."""

    height: int
    vaults: tuple[VaultAnswer, ...]

    @property
    def is_shown(self) -> bool:
        """Whether all of them have answered for good."""
        return all(answer.is_final for answer in self.vaults)


class Conflicts:
    """Those that this node knows, the lowest first. `sets`: the network's validator sets by hash, as far as known."""

    def __init__(
        self, folder: Path, network: bytes, sets: Callable[[bytes], ValidatorSet | None], turn_s: float = TURN_SECONDS
    ) -> None:
        """Loads what an earlier run kept; a file that cannot be read is left alone, and logged."""
        self._folder, self._network, self._sets, self._turn_s = folder, network, sets, turn_s
        self._known: dict[bytes, tuple[Conflict, float]] = {}
        """With the time at which it was learned here, by the hash of its bytes."""
        self._answers: dict[int, dict[bytes, VaultAnswer]] = {}
        """By chain that this node writes to, and conflict."""
        self._schemes: dict[int, CertificateScheme] = {}
        """Of the vaults that this node writes to."""
        self._checks = TokenBuckets(CHECKS_PER_SECOND, CHECKS_AT_ONCE)
        for path in sorted(folder.glob("*" + CONFLICT_SUFFIX)) if folder.is_dir() else ():
            try:
                self.learn(read_conflict_bytes(path.read_bytes()), 0.0)
            except (OSError, RemoteFault) as fault:
                log.warning("conflict not read", file=path.name, fault=str(fault))

    def learn(self, conflict: Conflict, now: float | None = None) -> bool:
        """Keep a conflict, on disk, too; False when it is known.

        `now`: in trio's time, by default its clock. Raises RemoteFault for one that proves nothing here.
        """
        identity = sha256(encode(conflict))
        if identity in self._known:
            return False
        check_conflict(conflict, self._sets, self._network)
        if len(self._known) >= KEPT_MAX:
            self._drop_one()
        self._known[identity] = (conflict, trio.current_time() if now is None else now)
        write_whole(self._path(identity, conflict), encode(conflict), 0o600)
        hashes = {"first": conflict.first.header.hash.hex(), "second": conflict.second.header.hash.hex()}
        log.error("conflicting headers", height=conflict.height, scheme=conflict.scheme.value, **hashes)
        return True

    @property
    def known(self) -> tuple[Conflict, ...]:
        """Ascending by height."""
        return tuple(conflict for _, (conflict, _) in self._lowest_first())

    def standings(self) -> Sequence[ConflictStanding]:
        """One for each conflict, the lowest first."""
        return [
            ConflictStanding(
                conflict.height,
                tuple(self._answers[at].get(identity, VaultAnswer(at, None)) for at in self._takers(conflict)),
            )
            for identity, (conflict, _) in self._lowest_first()
        ]

    async def listen(self, incoming: trio.MemoryReceiveChannel[Incoming]) -> None:
        """Learn what validators pass on, for ever."""
        async for message in incoming:
            if not self._checks.take(message.sender, trio.current_time()):
                continue
            try:
                self.learn(read_conflict_bytes(message.data))
            except RemoteFault as fault:
                log.warning("conflict refused", peer=message.sender.hex(), fault=str(fault))

    async def run(self, network: Network) -> None:
        """Pass on what is known, for ever: who connects later must learn of it, too."""
        passed: dict[bytes, float] = {}
        while True:
            for identity, (conflict, _) in tuple(self._known.items()):
                if trio.current_time() - passed.get(identity, -PUBLISH_SECONDS) >= PUBLISH_SECONDS:
                    passed[identity] = trio.current_time()
                    network.publish(Topic.CONFLICTS, encode(conflict))
            await trio.sleep(1)

    async def show(
        self,
        chain_id: int,
        freezer: VaultFreezer,
        sender: Sender,
        place: Callable[[], RelayerPlace],
        round_s: float,
        scheme: CertificateScheme = CertificateScheme.BLS,
    ) -> None:
        """Show one vault all conflicts of its scheme, for ever, each in this relayer's turn. It looks every `round_s`
        seconds."""
        self._answers[chain_id], self._schemes[chain_id] = {}, scheme
        again: dict[bytes, float] = {}
        while True:
            # The lowest first: a vault that it froze is not shown the higher ones.
            for identity, (conflict, since) in self._lowest_first():
                if conflict.scheme is not scheme or trio.current_time() < again.get(identity, 0.0):
                    continue
                where = place()
                turn = (where.index - conflict.height) % where.relayers
                is_due = trio.current_time() >= since + turn * self._turn_s
                try:
                    answer = VaultAnswer(chain_id, await freezer.freeze(*conflict.shown, sender if is_due else None))
                except RemoteFault as fault:
                    answer = VaultAnswer(chain_id, None, str(fault))
                self._note(identity, conflict, answer)
                if answer.is_final:
                    again[identity] = trio.current_time() + AGAIN_SECONDS
            again = {identity: at for identity, at in again.items() if identity in self._known}
            await trio.sleep(round_s)

    def _note(self, identity: bytes, conflict: Conflict, answer: VaultAnswer) -> None:
        before = self._answers[answer.chain_id].get(identity)
        if (
            identity not in self._known
            or answer == before
            or (before is not None and before.is_frozen and answer.is_frozen)
        ):
            return
        self._answers[answer.chain_id][identity] = answer
        (log.info if answer.is_final else log.warning)("conflict shown", height=conflict.height, answer=str(answer))

    def _lowest_first(self) -> list[tuple[bytes, tuple[Conflict, float]]]:
        return sorted(self._known.items(), key=lambda item: item[1][0].height)

    def _drop_one(self) -> None:
        """One that no vault takes first: anybody with old keys could forge as many as there is room for."""
        refused = [
            identity
            for identity, (conflict, _) in self._known.items()
            if all(self._refuses(each, identity) for each in self._takers(conflict))
        ]
        identity = refused[0] if refused else self._lowest_first()[-1][0]
        conflict, _ = self._known.pop(identity)
        for answers in self._answers.values():
            answers.pop(identity, None)
        self._path(identity, conflict).unlink(missing_ok=True)

    def _takers(self, conflict: Conflict) -> list[int]:
        """Chains that this node writes to, whose vaults take evidence of this kind."""
        return sorted(chain_id for chain_id, scheme in self._schemes.items() if scheme is conflict.scheme)

    def _refuses(self, chain_id: int, identity: bytes) -> bool:
        answer = self._answers[chain_id].get(identity)
        return answer is not None and answer.freeze is not None and answer.freeze.outcome is FreezeOutcome.REFUSED

    def _path(self, identity: bytes, conflict: Conflict) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder / f"{conflict.height}-{identity[:8].hex()}{CONFLICT_SUFFIX}"


valid_conflict = carries(Conflict, CONFLICT_BYTES_MAX, lambda conflict: conflict.is_ordered)
"""Gossip validator: two headers of one height in order."""
