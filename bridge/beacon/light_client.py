"""`BeaconClient`, one actor a chain: follows the beacon chain through endpoints that it does not trust.

Rule: the final slot only rises, from a checkpoint that is young enough, through committees that are each proven by the
one before. Every endpoint's newest header is verified, so that a second branch is seen: on two final headers that
contradict each other the light client stops for good. It decides nothing about credits; it is a witness to the quorum.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec
import trio

from bridge.beacon.beacon_endpoint import UPDATES_MAX, BeaconSource
from bridge.beacon.containers import Update
from bridge.beacon.final_blocks import FinalBlocks, final_block
from bridge.beacon.light_store import CONFLICT_MAX, BeaconStore, SavedLight
from bridge.beacon.network import BeaconNetwork
from bridge.beacon.sync_protocol import bootstrapped, updated
from bridge.codes import BridgeCode
from bridge.rpc.endpoint_health import EndpointHealth
from clearing.base.errors import RemoteFault

T = TypeVar("T")
CHECKPOINT_SECONDS_MAX = 14 * 86_400
"""How old the newest final header may be. Validators of that time may have left since, and can sign another history
without loss; mainnet's weak subjectivity period is about two weeks (phase0/weak-subjectivity.md)."""
LATE_EPOCHS = 5
"""A header is two to three epochs old when the next one is final."""
CLOCK_SECONDS = 0.5
"""How far this clock may be behind a committee's (phase0/p2p-interface.md, `MAXIMUM_GOSSIP_CLOCK_DISPARITY`)."""


@dataclass(frozen=True, slots=True)
class BeaconTrust:
    """What the operator decides: the checkpoint, and whether blocks wait for the light client."""

    checkpoint_root: bytes
    is_required: bool = False
    """Nothing above the light client's newest block is final."""
    seconds_max: int = CHECKPOINT_SECONDS_MAX


class BeaconClient:
    """Final blocks of one chain, proven. A restart goes on from `store`."""

    name = "light client"

    def __init__(
        self,
        network: BeaconNetwork,
        sources: Sequence[BeaconSource],
        store: BeaconStore,
        trust: BeaconTrust,
        unix_time: Callable[[], float] = time.time,
    ) -> None:
        """Raises LocalFault BAD_LIGHT_FILE."""
        self.health = tuple(EndpointHealth(f"beacon {source.name}") for source in sources)
        self.last_fault = ""
        """Why the last step failed; empty after one that did not."""
        self._network = network
        self._sources = tuple(sources)
        self._store = store
        self._trust = trust
        self._unix_time = unix_time
        self._saved = store.load(trust.checkpoint_root)
        self._known: Update | None = None
        """The update verified last: most endpoints say the same."""

    @property
    def is_required(self) -> bool:
        """Whether nothing above its newest block is final."""
        return self._trust.is_required

    @property
    def final_slot(self) -> int:
        """Of the newest final header; 0 before the bootstrap."""
        return self._saved.state.header.slot if self._saved else 0

    @property
    def seconds_behind(self) -> float:
        """Age of the newest final header, by this machine's clock."""
        return self._unix_time() - self._network.time_of(self.final_slot)

    @property
    def is_stopped(self) -> bool:
        """Whether it saw two final branches."""
        return self._saved is not None and bool(self._saved.conflict)

    @property
    def is_late(self) -> bool:
        """Whether its newest final header is older than Ethereum's finality usually is."""
        epoch_seconds = self._network.slots_per_epoch * self._network.seconds_per_slot
        return self.seconds_behind > LATE_EPOCHS * epoch_seconds

    @property
    def newest(self) -> int | None:
        """The number of the newest final execution block."""
        return self.newest_within(0, 1 << 63)

    def hash_at(self, number: int) -> bytes | None:
        """The hash of a final execution block, if it was proven itself."""
        return self._blocks.hash_at(number)

    def oldest_from(self, number: int) -> int | None:
        """The lowest number of an execution block proven from `number` on."""
        return self._blocks.oldest_from(number)

    def newest_within(self, first: int, last: int) -> int | None:
        """The highest number of an execution block proven from `first` to `last`."""
        return self._blocks.newest_within(first, last)

    def check(self) -> None:
        """Check that it did not see two final branches. Raises RemoteFault LIGHT_CLIENT_CONFLICT."""
        if self._saved is not None and self._saved.conflict:
            raise RemoteFault(BridgeCode.LIGHT_CLIENT_CONFLICT, self.name, why=self._saved.conflict)

    async def run(self) -> None:
        """Follow for ever, a poll a slot. Faults are waited out; after a conflict nothing is asked any more."""
        while True:
            progressed = False
            try:
                progressed = await self.step()
            except RemoteFault:
                if self._saved is not None and self._saved.conflict:
                    return
            if not progressed:
                await trio.sleep(self._network.seconds_per_slot)

    async def step(self) -> bool:
        """One poll. Whether something was proven that was not known.

        Raises RemoteFault: CHECKPOINT_TOO_OLD, LIGHT_CLIENT_CONFLICT, else the last endpoint's fault.
        """
        try:
            self.check()
            progressed = await self._step()
        except RemoteFault as fault:
            self.last_fault = str(fault)
            if fault.code is BridgeCode.LIGHT_CLIENT_CONFLICT:
                self._latch(fault)
            raise
        self.last_fault = ""
        return progressed

    async def _step(self) -> bool:
        if self._saved is None:
            self._save(await self._bootstrap())
            return True
        self._check_age(self.final_slot)
        state = self._saved.state
        period, now = self._network.period(state.header.slot), self._network.period(self._slot())
        first = period if state.next_committee is None else period + 1
        before = self._saved
        if now > first:
            await self._read_updates(first, min(now - first + 1, UPDATES_MAX), is_due=True)
            return self._saved != before
        if state.next_committee is None:
            await self._read_next_committee(first)
        await self._read_finality()
        return self._saved != before

    async def _bootstrap(self) -> SavedLight:
        root = self._trust.checkpoint_root

        async def ask(source: BeaconSource) -> SavedLight:
            found = await source.bootstrap(root)
            state = bootstrapped(self._network, root, found)
            return SavedLight(root, state, FinalBlocks().added(final_block(found.header)))

        saved = await self._first_good(ask)
        self._check_age(saved.state.header.slot)
        return saved

    async def _read_updates(self, first: int, count: int, *, is_due: bool) -> None:
        """Committees of the periods from `first` on, of the first endpoint that brings one. `is_due`: that period has
        ended, so that an endpoint without one withholds it or is behind."""

        async def ask(source: BeaconSource) -> None:
            before = self._saved
            for update in await source.updates(first, count):
                self._take(update)
                await trio.lowlevel.checkpoint()
            if is_due and self._saved == before:
                raise RemoteFault(BridgeCode.STALE_LIGHT_UPDATE, "updates", period=first, final=self.final_slot)

        await self._first_good(ask)

    async def _read_next_committee(self, period: int) -> None:
        """The committee after this period's, which nobody may be able to prove yet: early in a period none is."""
        try:
            await self._read_updates(period, 1, is_due=False)
        except RemoteFault as fault:
            if fault.code is BridgeCode.LIGHT_CLIENT_CONFLICT:
                raise

    async def _read_finality(self) -> None:
        """Every endpoint's newest final header. Raises the last fault where no endpoint answers well."""
        faults: list[RemoteFault] = []
        good: list[int] = []

        async def ask(index: int) -> None:
            try:
                update = await self._measured(index, lambda source: source.finality_update())
                self._take(update)
            except RemoteFault as fault:
                self._blame(index, fault)
                faults.append(fault)
            else:
                self.health[index].final_number = update.finalized_header.execution.block_number
                self.health[index].note_good_answer()
                good.append(index)

        async with trio.open_nursery() as nursery:
            for index in self._awake():
                nursery.start_soon(ask, index)
        conflict = next((fault for fault in faults if fault.code is BridgeCode.LIGHT_CLIENT_CONFLICT), None)
        if conflict is not None or (faults and not good):
            raise conflict or faults[-1]

    def _take(self, update: Update) -> None:
        """Verify an update and keep what it proves. Raises RemoteFault."""
        if update == self._known or self._saved is None:
            return
        state = updated(self._network, self._saved.state, update, self._slot())
        blocks = self._saved.blocks.added(final_block(update.finalized_header))
        self._save(SavedLight(self._saved.checkpoint_root, state, blocks))
        self._known = update

    async def _first_good(self, ask: Callable[[BeaconSource], Awaitable[T]]) -> T:
        """What `ask` gets of the first endpoint of which it raises no fault, else the last fault."""
        fault = RemoteFault(BridgeCode.ENDPOINT_QUORUM_LOST, self.name)
        for index in sorted(self._awake(), key=lambda each: self.health[each].faults_total):
            self.health[index].asked_alone += 1
            try:
                found = await self._measured(index, ask)
            except RemoteFault as error:
                if error.code is BridgeCode.LIGHT_CLIENT_CONFLICT:
                    raise
                self._blame(index, error)
                fault = error
            else:
                self.health[index].note_good_answer()
                return found
        raise fault

    async def _measured(self, index: int, ask: Callable[[BeaconSource], Awaitable[T]]) -> T:
        health, started = self.health[index], trio.current_time()
        found = await ask(self._sources[index])
        health.answers += 1
        health.answer_seconds += trio.current_time() - started
        return found

    def _awake(self) -> Sequence[int]:
        now = trio.current_time()
        awake = [index for index, health in enumerate(self.health) if health.resting_until <= now]
        return awake or range(len(self.health))

    def _blame(self, index: int, fault: RemoteFault) -> None:
        self.health[index].note_fault(fault)

    def _slot(self) -> int:
        return self._network.slot_at(self._unix_time() + CLOCK_SECONDS)

    def _check_age(self, slot: int) -> None:
        seconds = int(self._unix_time()) - self._network.time_of(slot)
        if seconds > self._trust.seconds_max:
            raise RemoteFault(
                BridgeCode.CHECKPOINT_TOO_OLD,
                self.name,
                slot=slot,
                seconds=seconds,
                seconds_max=self._trust.seconds_max,
            )

    def _latch(self, fault: RemoteFault) -> None:
        if self._saved is not None and not self._saved.conflict:
            self._save(msgspec.structs.replace(self._saved, conflict=str(fault)[:CONFLICT_MAX]))

    def _save(self, saved: SavedLight) -> None:
        if saved != self._saved:
            self._store.save(saved)
            self._saved = saved

    @property
    def _blocks(self) -> FinalBlocks:
        return self._saved.blocks if self._saved else FinalBlocks()
