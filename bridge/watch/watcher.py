"""`Watcher`, one actor a chain: follows the chain's final blocks and reports the vault's events in order.

Rule: a fact is reported once, from a final block that links to all before it and that no endpoint disputes. In doubt
nothing is reported, and the same blocks are read again; while final blocks themselves are in doubt, nothing that was
reported may be attested. On proof that the chain or the vault broke its rules, the chain is halted for good.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import msgspec
import trio

from bridge.codes import BridgeCode
from bridge.evm.events import Deposited, event_fact, rolled_deposits_hash
from bridge.evm.header import BlockHeader, check_links
from bridge.rpc.dissent import Dissent
from bridge.rpc.endpoint_health import EndpointHealth
from bridge.rpc.quorum import EndpointQuorum
from bridge.rpc.witness import ANCHORED_MAX
from bridge.watch.branch import AcceptedCheckpoint, BranchWatch
from bridge.watch.cursor import RING_MAX, FactStore, Halt, ScanCursor
from bridge.watch.custody import CUSTODY_WAIT_SECONDS, CustodyReader
from bridge.watch.custody_evidence import EvidenceCollector
from bridge.watch.expired_withdrawals import ExpiredWithdrawal, ExpiredWithdrawalQuery, ExpiredWithdrawalReader
from bridge.watch.pending_deposits import PendingDepositReader
from bridge.watch.poll_pace import PollPace
from bridge.watch.scanner import ProvenLog, VaultScanner
from bridge.watch.status import BLOCKS_IN_DOUBT, HALTING, NOT_CHECKED, Alarm, WatcherStatus
from bridge.watched_chain import WatchedChain
from clearing.base.errors import LocalFault, RemoteFault
from clearing.schema.facts import ChainHeartbeat, DepositSighted, Fact, VaultFact

LINKED_MAX = 64
"""Up to so many blocks behind, every header is read and linked; farther behind, chunks of logs are read first."""
CUSTODY_AGE_MAX = 32
"""Counters of older blocks are left to the validators that saw them in time: nodes drop old states."""
PAUSE_SECONDS_MAX = 5.0
CHAIN_CHECK_SECONDS = 30.0
"""How often endpoints are asked for the chain they serve."""


@dataclass(slots=True)
class _RangeResult:
    """The facts of a range of blocks so far."""

    deposit_nonce: int
    deposits_hash: bytes
    facts: list[Fact] = field(default_factory=list)
    checkpoints: list[AcceptedCheckpoint] = field(default_factory=list)


class Watcher:
    """Follows one vault. `emit` gets each fact after it was recorded, in order; it may block (`channel.send` will do).

    A restart begins at the store's cursor; the store repeats facts that were recorded but perhaps not emitted.
    """

    def __init__(
        self,
        chain: WatchedChain,
        quorum: EndpointQuorum,
        store: FactStore,
        emit: Callable[[Fact], Awaitable[None]],
        publish_pending: Callable[[tuple[DepositSighted, ...]], None] | None = None,
        evidence: EvidenceCollector | None = None,
        expired_withdrawals: ExpiredWithdrawalQuery | None = None,
        alarm: Callable[[Alarm, str], None] | None = None,
        custody_wait_seconds: float = CUSTODY_WAIT_SECONDS,
        branch: BranchWatch | None = None,
    ) -> None:
        """`alarm` gets why a condition holds, when it begins, and "" when it ends."""
        self.chain = chain
        self.status = WatcherStatus()
        self._quorum = quorum
        self._scanner = VaultScanner(chain, quorum)
        self._custody = CustodyReader(quorum, custody_wait_seconds)
        self._store = store
        self._emit = emit
        self._alarm = alarm or (lambda _, __: None)
        self._publish_pending = publish_pending
        self._pending_deposits = PendingDepositReader(chain, quorum, self._scanner)
        self._evidence = evidence
        self._expired_query = expired_withdrawals
        self._expired_withdrawals = ExpiredWithdrawalReader(chain, quorum)
        self._branch = branch
        self._last_expired: tuple[int, tuple[ExpiredWithdrawal, ...]] | None = None
        self._pace = PollPace()
        self._cursor: ScanCursor | None = store.load(chain.chain_id)
        self._check_chain_at = 0.0
        """On trio's clock; at once after a fault, because an endpoint that comes back may be another."""
        if self._cursor is not None:
            if self._cursor.vault != chain.vault:
                raise LocalFault(BridgeCode.BAD_CURSOR, "cursor", vault=self._cursor.vault, expected=chain.vault)
            self.status.scanned_number = self._cursor.number
            self.status.halt = self._cursor.halt
        # What a store repeats was read before the start: whether an endpoint disputes it is not known yet.
        halt = self.status.halt
        self._set_doubt(NOT_CHECKED if halt is None else halt.reason if halt.code in BLOCKS_IN_DOUBT else "")

    @property
    def dissents(self) -> tuple[Dissent, ...]:
        """Endpoints that contradict the quorum about a final block, or lack it."""
        return self._quorum.dissents.open

    @property
    def endpoints(self) -> tuple[EndpointHealth, ...]:
        """What each endpoint did, in the order in which they are listed."""
        return self._quorum.health

    @property
    def cursor(self) -> ScanCursor | None:
        """How far the chain was scanned; None before the first block."""
        return self._cursor

    async def run(self) -> Halt:
        """Poll until the chain is halted; then say why. Faults of endpoints are waited out."""
        pause = self.chain.poll_seconds
        while self.status.halt is None:
            try:
                progressed = await self.step()
                await self.read_pending_deposits()
                await self.read_expired_withdrawals()
            except RemoteFault:
                progressed = False
                pause = seconds = min(pause * 2, max(PAUSE_SECONDS_MAX, self.chain.poll_seconds))
            else:
                pause = self.chain.poll_seconds
                # What is not final moves more often, and what is in dispute is looked at again soon.
                is_calm = not self.chain.sight_depth and not self.dissents
                seconds = self._pace.pause(pause, trio.current_time()) if is_calm else pause
            if not progressed or self.status.scanned_number >= self.status.final_number:
                await trio.sleep(seconds)
        return self.status.halt

    async def step(self) -> bool:
        """One poll: scan at most one range of new final blocks. Whether there was one.

        Raises RemoteFault after which the same step may be tried again; what halts the chain is kept in the cursor
        and the status, and every later step is False.
        """
        if self.status.halt is not None:
            return False
        try:
            progressed = await self._step()
        except RemoteFault as fault:
            self._check_chain_at = 0.0
            self.status.faults += 1
            self.status.last_fault = str(fault)
            if fault.code in BLOCKS_IN_DOUBT:
                self._set_doubt(str(fault))
            if fault.code in HALTING:
                self._halt(fault)
                return False
            raise
        self.status.last_fault = ""
        return progressed

    async def read_pending_deposits(self) -> None:
        """Report the deposits that are not final yet, as one view of the current chain, if anybody wants them.

        Raises RemoteFault when endpoints fail or disagree; the last view then stands.
        """
        if (
            self._publish_pending is None
            or not self.chain.sight_depth
            or self._cursor is None
            or self.status.halt is not None
        ):
            return
        self._publish_pending(await self._pending_deposits.view(self._cursor))

    async def read_expired_withdrawals(self) -> None:
        """Report which expired withdrawals the vault never paid, if anybody asks, once a block or a question is new.

        Raises RemoteFault when endpoints fail or disagree; the last view then stands.
        """
        if self._expired_query is None or self._cursor is None or self.status.halt is not None:
            return
        asked = (self._cursor.number, tuple(self._expired_query.expired()))
        if asked == self._last_expired:
            return
        try:
            view = await self._expired_withdrawals.view(self._cursor, asked[1])
        except RemoteFault as fault:
            self.status.expired_fault = str(fault)
            raise
        self.status.expired_fault = ""
        self._expired_query.publish(view.unpaid)
        self._last_expired = asked if view.is_complete else None

    async def _step(self) -> bool:
        if self._branch is not None:
            await self._branch.compare(self._scanner.has_checkpoint)
            self._branch.check_room()
        if trio.current_time() >= self._check_chain_at:
            await self._quorum.check_chain(self.chain.chain_id)
            self._check_chain_at = trio.current_time() + CHAIN_CHECK_SECONDS
        watched = self._cursor.number if self._cursor else self.chain.deployment_block - 1
        tips = await self._quorum.tips(self.chain.finality, watched)
        self.status.final_number = tips.final_number
        self._pace.note(tips.final_number, trio.current_time())
        await self._quorum.recheck_dissents(tips.final_number)
        if tips.final_number < watched:
            if self._cursor is None:
                return False
            raise RemoteFault(
                BridgeCode.FINAL_HEIGHT_FELL, "finalized", number=tips.final_number, scanned=self._cursor.number
            )
        if self._cursor is None:
            self._cursor = await self._first_cursor()
        cursor = self._cursor
        if self.status.doubt or tips.watched_hash not in (None, cursor.hash):
            self._check_still(cursor, (await self._quorum.final_headers((cursor.number,)))[0])
        self._set_doubt("")
        if tips.final_number == cursor.number:
            return False
        # Where final heights are proven by a witness, what links to a proven block is proven with it.
        linked_max = ANCHORED_MAX if self._quorum.is_anchored else LINKED_MAX
        if tips.final_number - cursor.number > linked_max:
            await self._scan_far(cursor, tips.final_number - linked_max)
        else:
            await self._scan_linked(cursor, tips.final_number)
        if self._branch is not None:
            # At once: the next poll may be a while off.
            await self._branch.compare(self._scanner.has_checkpoint)
        return True

    async def _scan_linked(self, cursor: ScanCursor, last: int) -> None:
        """Every block up to `last`, each linked to the one before."""
        headers = await self._scanner.final_headers(cursor.number + 1, last)
        if headers[0].parent_hash != cursor.hash:
            # The same quorum reports the parent, so this either halts the chain or shows which endpoint contradicts
            # itself.
            self._check_still(cursor, (await self._quorum.final_headers((cursor.number,)))[0])
        check_links(headers)
        if headers[0].parent_hash != cursor.hash:
            raise RemoteFault(
                BridgeCode.BROKEN_PARENT_LINK, "cursor", number=headers[0].number, stated=headers[0].parent_hash
            )
        candidates = {header.hash for header in await self._scanner.candidates(headers)}
        gathered = _RangeResult(cursor.deposit_nonce, cursor.deposits_hash)
        for header in headers:
            if header.hash in candidates:
                await self._gather(gathered, header)
            if header.number % self.chain.custody_stride == 0 and last - header.number <= CUSTODY_AGE_MAX:
                await self._gather_custody(gathered, header)
        await self._record_and_emit(cursor, headers, gathered)

    async def _scan_far(self, cursor: ScanCursor, last: int) -> None:
        """One chunk of blocks by their logs, not linked: far behind, the quorum's report of each header must do."""
        candidates, covered = await self._scanner.chunk_candidates(cursor.number + 1, last)
        gathered = _RangeResult(cursor.deposit_nonce, cursor.deposits_hash)
        for header in candidates:
            await self._gather(gathered, header)
        await self._record_and_emit(cursor, await self._quorum.final_headers((covered,)), gathered)

    async def _gather(self, gathered: _RangeResult, header: BlockHeader) -> None:
        """Add facts in order; deposits continue nonce by nonce, missing ones are looked for from deployment on."""
        proven = await self._scanner.proven(header)
        gathered.checkpoints += [
            AcceptedCheckpoint(each.height, each.header_hash, header.number) for each in proven.checkpoints
        ]
        for sighting in proven.logs:
            event = sighting.event
            if isinstance(event, Deposited):
                if event.nonce > gathered.deposit_nonce + 1:
                    await self._backfill(gathered, event.nonce, sighting.block.number)
                self._continue_deposits(gathered, sighting, event)
            gathered.facts.append(self._fact(sighting))

    async def _gather_custody(self, gathered: _RangeResult, header: BlockHeader) -> None:
        """Add the counters at `header`, unless nobody could deliver them for too long."""
        try:
            custody = await self._custody.read(self.chain, header)
        finally:
            before, self.status.custody_fault = self.status.custody_fault, self._custody.last_fault
            if bool(before) != bool(self.status.custody_fault):
                self._alarm(Alarm.CUSTODY_MISSING, self.status.custody_fault)
        if custody is None:
            return
        nonce = custody.deposit_nonce
        if nonce is not None and nonce > gathered.deposit_nonce:
            await self._backfill(gathered, nonce + 1, header.number)
        if nonce not in (None, gathered.deposit_nonce):
            raise RemoteFault(BridgeCode.NONCE_GAP, "custody", vault_says=nonce, seen=gathered.deposit_nonce)
        judged = await self._custody.judge(self.chain, custody)
        gathered.facts += judged.facts
        if self._evidence is not None:
            self._evidence.request(judged.facts)
        self._set_shortage("; ".join(judged.shortages.values()))

    async def _backfill(self, gathered: _RangeResult, before_nonce: int, last: int) -> None:
        """Find the deposits after those gathered and below `before_nonce` in blocks up to `last`. NONCE_GAP if not."""
        first = self.chain.deployment_block
        while first <= last and gathered.deposit_nonce + 1 < before_nonce:
            candidates, covered = await self._scanner.chunk_candidates(first, last)
            for header in candidates:
                await self._scanner.check_anchored(header)
                for sighting in await self._scanner.proven_logs(header):
                    event = sighting.event
                    if isinstance(event, Deposited) and gathered.deposit_nonce < event.nonce < before_nonce:
                        self._continue_deposits(gathered, sighting, event)
                        gathered.facts.append(self._fact(sighting))
            first = covered + 1
        if gathered.deposit_nonce + 1 < before_nonce:
            raise RemoteFault(
                BridgeCode.NONCE_GAP, "deposits", after=gathered.deposit_nonce, before=before_nonce, scanned=last
            )

    def _continue_deposits(self, gathered: _RangeResult, sighting: ProvenLog, event: Deposited) -> None:
        if event.nonce <= gathered.deposit_nonce:
            raise RemoteFault(BridgeCode.NONCE_REPLAYED, "deposits", nonce=event.nonce, block=sighting.block.number)
        if event.nonce != gathered.deposit_nonce + 1:
            raise RemoteFault(BridgeCode.NONCE_GAP, "deposits", after=gathered.deposit_nonce, nonce=event.nonce)
        rolled = rolled_deposits_hash(gathered.deposits_hash, event)
        if rolled != event.deposits_hash:
            raise RemoteFault(
                BridgeCode.DEPOSITS_HASH_MISMATCH,
                "deposits",
                nonce=event.nonce,
                stated=event.deposits_hash,
                computed=rolled,
            )
        gathered.deposit_nonce, gathered.deposits_hash = event.nonce, rolled

    def _fact(self, sighting: ProvenLog) -> VaultFact:
        return event_fact(
            self.chain.chain_id,
            sighting.log,
            sighting.event,
            sighting.block,
            sighting.receipt_index,
            sighting.log_index,
        )

    async def _record_and_emit(
        self, cursor: ScanCursor, headers: Sequence[BlockHeader], gathered: _RangeResult
    ) -> None:
        """Record the new cursor with the facts, then emit them."""
        newest = headers[-1]
        linked = headers[0].parent_hash == cursor.hash
        ring = (*(cursor.ring if linked else ()), *(header.hash for header in headers))
        facts = (*gathered.facts, ChainHeartbeat(self.chain.chain_id, newest.number, newest.hash))
        self._cursor = msgspec.structs.replace(
            cursor,
            number=newest.number,
            hash=newest.hash,
            deposit_nonce=gathered.deposit_nonce,
            deposits_hash=gathered.deposits_hash,
            ring=ring[-RING_MAX:],
        )
        if self._branch is not None:
            self._branch.add(gathered.checkpoints)
        self._store.record(self._cursor, facts)
        self.status.scanned_number = newest.number
        for fact in facts:
            await self._emit(fact)
            self.status.facts += 1

    async def _first_cursor(self) -> ScanCursor:
        before = (await self._quorum.final_headers((self.chain.deployment_block - 1,)))[0]
        return ScanCursor(
            chain_id=self.chain.chain_id,
            vault=self.chain.vault,
            number=before.number,
            hash=before.hash,
            deposit_nonce=0,
            deposits_hash=bytes(32),
            ring=(before.hash,),
        )

    def _check_still(self, cursor: ScanCursor, now: BlockHeader) -> None:
        if now.hash != cursor.hash:
            raise RemoteFault(
                BridgeCode.FINALITY_VIOLATION, "cursor", number=cursor.number, recorded=cursor.hash, reported=now.hash
            )

    def _set_doubt(self, why: str) -> None:
        before, self.status.doubt = self.status.doubt, why
        # The reason of one dispute changes with every poll; it is reported once.
        if why != before and (not why or before in ("", NOT_CHECKED)):
            self._alarm(Alarm.BLOCKS_IN_DOUBT, why)

    def _set_shortage(self, why: str) -> None:
        before, self.status.shortage = self.status.shortage, why
        # The reason names the block, so it changes with every reading; it is reported once.
        if bool(before) != bool(why):
            self._alarm(Alarm.TOKEN_SHORT, why)

    def _halt(self, fault: RemoteFault) -> None:
        halt = Halt(code=int(fault.code), reason=str(fault)[:1000])
        self.status.halt = halt
        if self._cursor is not None:
            self._cursor = msgspec.structs.replace(self._cursor, halt=halt)
            self._store.record(self._cursor, ())
