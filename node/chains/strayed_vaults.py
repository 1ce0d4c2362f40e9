"""What a node does about a vault that is frozen, or that accepted another header than the network's.

Rule: the watcher proves that a vault strayed; what is shown here, the vault checks. The header that it took, with its
certificate, is a conflict with the own one, which freezes the other vaults, too. A frozen vault is shown its newest
checkpoint below the conflict, so that honest accounts can leave by it. Relayers take turns; what is done costs nothing.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog
import trio

from bridge.contracts.conflicts import VaultConflict, show_base_call
from bridge.contracts.schemes import CertificateScheme
from bridge.contracts.vault import CertifiedHeader
from bridge.relay.claim_queue import RelayerPlace
from bridge.relay.transactions import Sender
from bridge.relay.vault_freeze import VaultFreezer
from bridge.relay.vault_history import TakenHeader, certificate_taken, taken_headers, words_taken
from bridge.rpc.endpoint import Endpoint
from bridge.watch.branch import AcceptedCheckpoint, BranchWatch
from clearing.base.errors import RemoteFault
from clearing.base.header import Header
from clearing.base.header_words import HeaderWords, words_of
from member.vaults.conflict import Conflict, certified_words, conflict_between
from node.chains.conflicts import TURN_SECONDS
from node.chains.stored_branch import StoredBranch

QUIET_SECONDS = 30.0
"""Between two looks at a vault for which nothing is left: each is a request."""
AGAIN_SECONDS = 15.0
"""A vault is asked again so often: somebody may be faster, a reorg may take it back, an endpoint may have lied."""
SHOWN_AT_ONCE = 2_000
"""Hashes of checkpoints in one transaction, of which nodes pass on 128 KiB at most: 64,000 bytes."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class VaultAccess:
    """One vault, as a relayer reaches it. `first_block`: its deployment."""

    chain_id: int
    at: bytes
    first_block: int
    scheme: CertificateScheme
    endpoint: Endpoint
    sender: Sender


class StrayedVaults:
    """For all vaults of a node. `strayed`: what the watcher of a chain proved; `own`: the own certified header of a
    height, as vaults of a scheme take it."""

    def __init__(
        self,
        strayed: Callable[[int], AcceptedCheckpoint | None],
        own: Callable[[int, CertificateScheme], CertifiedHeader | None],
        branch: StoredBranch,
        learn: Callable[[Conflict], object],
        place: Callable[[], RelayerPlace],
        turn_s: float = TURN_SECONDS,
    ) -> None:
        self._strayed, self._own, self._branch, self._learn = strayed, own, branch, learn
        self._place, self._turn_s = place, turn_s
        self._since: dict[tuple[int, str, int], float] = {}
        """When something was first seen to be due, by chain, what, and height."""
        self._told = set[tuple[int, AcceptedCheckpoint]]()
        """Whose conflict the other vaults are shown, as far as the calldata gave it."""
        self._undone = set[tuple[int, AcceptedCheckpoint | None]]()

    async def serve(self, vault: VaultAccess) -> None:
        """Look after one vault for ever; a fault is logged once, and tried again."""
        said = ""
        while True:
            fault, is_settled = "", False
            try:
                is_settled = await self.look(vault)
            except RemoteFault as found:
                fault = str(found)
            if fault and fault != said:
                log.warning("frozen or strayed vault not served", chain_id=vault.chain_id, fault=fault)
            said = fault
            await trio.sleep(QUIET_SECONDS if is_settled else AGAIN_SECONDS)

    async def look(self, vault: VaultAccess) -> bool:
        """Do what is due for it now. Whether nothing is left, or it is another relayer's turn. Raises RemoteFault."""
        freezer = VaultFreezer(vault.endpoint, vault.at)
        known, strayed = await freezer.conflict(), self._strayed(vault.chain_id)
        if (vault.chain_id, strayed) in self._undone:
            strayed = None
        if strayed is not None and (known is None or known.height > strayed.height):
            is_due = self._is_due(vault, "freeze", strayed.height)
            if is_due or (vault.chain_id, strayed) not in self._told:
                await self._freeze(vault, freezer, strayed, is_due=is_due)
                known = await freezer.conflict()
            if known is None:
                return not is_due or (vault.chain_id, strayed) in self._undone
        if known is None or known.has_base or not self._is_due(vault, "base", known.height):
            return True
        return await self._show_base(vault, freezer, known)

    async def _freeze(
        self, vault: VaultAccess, freezer: VaultFreezer, strayed: AcceptedCheckpoint, *, is_due: bool
    ) -> None:
        own = self._own(strayed.height, vault.scheme)
        if own is None:
            return
        taken = await taken_headers(vault.endpoint, vault.at, vault.first_block)
        wanted = (strayed.height, strayed.header_hash)
        place = next((at for at, each in enumerate(taken) if (each.height, each.header_hash) == wanted), None)
        if place is None:
            # The cold quorum chose another one meanwhile: the vault's history does not have it any more.
            self._undone.add((vault.chain_id, strayed))
            return
        found = await certificate_taken(vault.endpoint, taken[place], vault.scheme)
        if found is not None:
            # The other vaults have not got this header, and take both certificates only.
            self._learn(conflict_between(certified_words(*own), certified_words(*found)))
        self._told.add((vault.chain_id, strayed))
        if not is_due:
            return
        accepted = found[0] if found is not None else await words_taken(vault.endpoint, taken[place])
        freeze = await freezer.freeze_by_history(own, taken, place, accepted, vault.sender)
        shown = {"chain_id": vault.chain_id, "height": strayed.height}
        log.error("strayed vault shown", **shown, outcome=freeze.outcome.value, detail=freeze.detail)

    async def _show_base(self, vault: VaultAccess, freezer: VaultFreezer, known: VaultConflict) -> bool:
        taken = await taken_headers(vault.endpoint, vault.at, vault.first_block)
        place = next((at for at, each in enumerate(taken) if each.height >= known.height), None)
        rest = next((at for at, each in enumerate(taken) if each.before == known.base_history), len(taken))
        if place is None or place > rest:
            return False
        # What is too long for one transaction is shown in parts, from the newest checkpoint back.
        first = max(place, rest - SHOWN_AT_ONCE)
        is_last = first == place
        following = await self._words(vault, taken[first]) if first < rest else None
        base = await self._words(vault, taken[place - 1]) if is_last and place else None
        before = taken[place - 1].before if base else taken[first].before
        later = [each.header_hash for each in taken[first + 1 : rest]]
        sent = await freezer.show_base(show_base_call(base, following, before, later), vault.sender)
        below = taken[place - 1].height if place else 0
        shown = {"chain_id": vault.chain_id, "conflict": known.height, "base": below}
        log.info("base shown", **shown, left=first - place, transaction=sent)
        return is_last

    async def _words(self, vault: VaultAccess, header: TakenHeader) -> HeaderWords:
        """Out of the own blocks, or of the vault's calldata."""
        own = self._branch.certified(header.height)
        if own is not None and own[0].hash == header.header_hash:
            return words_of(own[0])
        return await words_taken(vault.endpoint, header)

    def _is_due(self, vault: VaultAccess, what: str, height: int) -> bool:
        """Whether it is this relayer's turn, which begins with whose place follows from the height."""
        since = self._since.setdefault((vault.chain_id, what, height), trio.current_time())
        where = self._place()
        turn = (where.index - height) % where.relayers
        return trio.current_time() >= since + turn * self._turn_s


def own_of_strayed(branches: Iterable[BranchWatch], own: StoredBranch) -> tuple[Header, ...]:
    """The own headers at the heights at which vaults took another one."""
    strayed = [branch.strayed for branch in branches]
    found = [own.certified(each.height) for each in strayed if each is not None]
    return tuple(each[0] for each in found if each is not None)
