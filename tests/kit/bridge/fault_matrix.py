"""Endpoints times faults times chains: what a watcher makes of each, as a table.

    python -m tests.kit.bridge.fault_matrix

Every cell is a watcher of a real vault with one final deposit. It polls while some of its endpoints have the fault, and
then while none has. With a light client, a second table has the faults of its beacon endpoints. The verdict is computed
from what the watcher reported:

- `credits`: the deposit was credited in spite of the fault;
- `waits` with a reason: it was credited as soon as the fault ended, and readiness said why it was not before;
- `halts` with a reason: the chain was halted, because two thirds of a sync committee signed two final branches;
- `UNTRUE`, `LOST`, `SILENT`, any other `halts`: something else was credited, it was never credited, nothing showed, or
  the chain was halted. These must not be, nor may a fault of a minority that contradicts no final block make credits
  wait, nor a fault of some beacon endpoints while one is honest.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import trio

from bridge.beacon.light_client import BeaconClient, BeaconTrust
from bridge.beacon.light_store import BeaconStore
from bridge.contracts.vault import BALANCE_OF
from bridge.evm.events import DEPOSITED
from bridge.evm.hexadecimal import hex_data, hex_quantity
from bridge.rpc import endpoint_set
from bridge.rpc.endpoint import Endpoint, Refusal, Result, RpcCall
from bridge.watched_chain import FinalityPolicy, WatchedChain
from clearing.base.codec import u256
from clearing.base.errors import RemoteFault
from devnet.anvil import start_anvil
from tests.kit.bridge.beacon_chain import NETWORK, PERIOD_SLOTS, BeaconChain, execution_header
from tests.kit.bridge.forged_chain import ForgedChain, linked_branch
from tests.kit.bridge.lying_beacon import BEACON_FAULTS, BeaconFault, BeaconLiar
from tests.kit.bridge.vault_chain import FOUR, VaultChain
from tests.kit.bridge.watched_chain import Liar, Watch

AMOUNT = 1_000
POLLS = 8
CHECKPOINT = 1
Alter = Callable[[RpcCall, Result], Result]


@dataclass(frozen=True)
class Way:
    """A way to watch a chain. `beacon`: of the light client that is required; None: there is none."""

    chain: WatchedChain
    beacon: BeaconChain | None = None


@dataclass(frozen=True)
class FaultWorld:
    """A vault with one deposit, which is final, and a beacon chain of its blocks, in its second period."""

    vault: VaultChain
    block: int
    """Of the deposit."""
    beacon: BeaconChain

    @classmethod
    def on(cls, vault: VaultChain) -> "FaultWorld":
        receipt = vault.deposit(AMOUNT)
        vault.chain.mine(PERIOD_SLOTS + 12)

        def block(at: str) -> dict[str, Any]:
            found: dict[str, Any] = vault.chain.rpc("eth_getBlockByNumber", at, *[False])
            return found

        beacon = BeaconChain(cache(lambda number: execution_header(block(hex_quantity(number)))))
        beacon.final_slot = int(block("finalized")["number"], 16)
        return cls(vault, int(receipt["blockNumber"]), beacon)

    @property
    def ways(self) -> dict[str, Way]:
        """By name, as the table has them."""
        watched = self.vault.watched(poll_seconds=0.01)
        return {
            "log blooms": Way(watched),
            "no log blooms": Way(replace(watched, blooms=False)),
            "light client": Way(watched, self.beacon),
        }


@dataclass(frozen=True)
class EndpointFault:
    """What an endpoint does wrong. `alter` is made for a world; None: it does not answer at all."""

    name: str
    alter: Callable[[FaultWorld], Alter] | None
    contradicts: bool = False
    """It disputes final blocks, or lacks them: then one is enough to stop credits."""
    needs_honest: bool = False
    """Nothing that a node can check contradicts it but another endpoint."""
    about_finality: bool = False
    """It is about which blocks are final: a light client sees it, too, and the table has it with one."""


def _each(alter: Alter) -> Callable[[FaultWorld], Alter]:
    return lambda _: alter


def _refusing(*methods: str) -> Callable[[FaultWorld], Alter]:
    return _each(lambda call, result: Refusal(-32601, "not available") if call.method in methods else result)


def _is_block(call: RpcCall, result: Result) -> bool:
    return call.method.startswith("eth_getBlockBy") and isinstance(result, dict)


def _block_field(name: str, value: str) -> Callable[[FaultWorld], Alter]:
    return _each(lambda call, result: {**result, name: value} if _is_block(call, result) else result)  # type: ignore[dict-item]


def _padded(call: RpcCall, result: Result) -> Result:
    return {**result, "number": "0x0" + result["number"][2:]} if _is_block(call, result) else result  # type: ignore[dict-item, index]


def _final_number(world: FaultWorld, number: int) -> Alter:
    block: Result = world.vault.chain.rpc("eth_getBlockByNumber", hex_quantity(number), *[False])
    return lambda call, result: block if call.params[:1] == ("finalized",) else result


def _without_blocks(world: FaultWorld) -> Alter:
    def alter(call: RpcCall, result: Result) -> Result:
        lacks = isinstance(result, dict) and _is_block(call, result) and int(result["number"], 16) >= world.block
        return None if lacks and call.params[0] != "finalized" else result

    return alter


def _ahead(world: FaultWorld) -> Alter:
    """Blocks beyond the head, the last of them final."""
    head = int(world.vault.chain.rpc("eth_blockNumber"), 16)
    blocks = linked_branch(world.vault.chain, head + 1, head + 40, {})

    def alter(call: RpcCall, result: Result) -> Result:
        if call.method != "eth_getBlockByNumber":
            return result
        at = str(call.params[0])
        return blocks[head + 40] if at == "finalized" else blocks.get(int(at, 16), result)

    return alter


def _forged(world: FaultWorld) -> Alter:
    return ForgedChain(world.vault.chain, world.block, amount=5_000_000)


def _inflated(call: RpcCall, result: Result) -> Result:
    if call.method != "eth_getBlockReceipts" or not isinstance(result, list):
        return result
    logs = [log for receipt in result for log in receipt["logs"] if log["topics"][0] == hex_data(DEPOSITED)]
    for log in logs:
        log["data"] = hex_data(u256(5_000_000)) + log["data"][66:]
    return result


def _balance(change: int) -> Callable[[FaultWorld], Alter]:
    def alter(call: RpcCall, result: Result) -> Result:
        data: Any = call.params[0] if call.method == "eth_call" else {}
        is_balance = data and data["data"].startswith(hex_data(BALANCE_OF)) and int(str(result), 16)
        return hex_data(u256(int(str(result), 16) + change)) if is_balance else result

    return _each(alter)


FAULTS = (
    EndpointFault("does not answer", None),
    EndpointFault("answers nonsense", _each(lambda _call, _result: {"odd": 1})),
    EndpointFault("limits every call", _each(lambda _call, _result: Refusal(-32005, "limit exceeded"))),
    EndpointFault("serves another chain", _each(lambda call, result: "0x1" if "chainId" in call.method else result)),
    EndpointFault("alters a field of headers", _block_field("receiptsRoot", "0x" + "11" * 32)),
    EndpointFault("pads block numbers", _each(_padded)),
    EndpointFault("states other hashes", _block_field("hash", "0x" + "22" * 32), contradicts=True, about_finality=True),
    EndpointFault("forges a branch", _forged, contradicts=True, needs_honest=True, about_finality=True),
    EndpointFault("forges blocks ahead", _ahead, needs_honest=True, about_finality=True),
    EndpointFault("lacks final blocks", _without_blocks, contradicts=True, about_finality=True),
    EndpointFault("calls block 0 final", lambda world: _final_number(world, 0), about_finality=True),
    EndpointFault("stands still", lambda world: _final_number(world, world.block - 1), about_finality=True),
    EndpointFault("inflates a receipt", _each(_inflated)),
    EndpointFault("withholds logs", _each(lambda call, result: [] if call.method == "eth_getLogs" else result)),
    EndpointFault("has no receipts of blocks", _refusing("eth_getBlockReceipts")),
    EndpointFault("has dropped the states", _refusing("eth_call", "eth_getProof")),
    EndpointFault("balance one unit low", _balance(-1)),
    EndpointFault("balance one unit high", _balance(1), needs_honest=True),
)
ENDPOINTS = ((1, 3, 2), (2, 3, 2), (1, 1, 1))
"""(with the fault, of so many, quorum)."""


@dataclass(frozen=True)
class Verdict:
    """What a watcher made of a fault. `is_safe`: as it must."""

    text: str
    is_safe: bool


async def verdict_of(
    world: FaultWorld, way: Way, fault: EndpointFault | BeaconFault, numbers: tuple[int, int, int], folder: Path
) -> Verdict | None:
    """One cell; None where no endpoint is honest and nothing else could show the fault."""
    faulty, of, quorum = numbers
    if isinstance(fault, BeaconFault):
        return (
            None if fault.needs_honest and faulty == of else await _of_beacons(world, way, fault, (faulty, of), folder)
        )
    if fault.needs_honest and faulty == of and not (way.beacon and fault.about_finality):
        return None
    async with Endpoint(world.vault.chain.url) as true:
        sources = [Liar(true, name=f"e{index}") for index in range(of)]
        for source in sources[:faulty]:
            source.lost = fault.alter is None
            source.alter = fault.alter(world) if fault.alter else source.alter
        watched = Watched(world, replace(way.chain, finality=FinalityPolicy(quorum)), sources, _honest(way), folder)

        def end() -> None:
            for source in sources:
                source.lost, source.alter = False, lambda _call, result: result

        may_wait = fault.contradicts or faulty > of - quorum
        return await watched.verdict(end, may_wait=may_wait)


def _honest(way: Way) -> list[BeaconLiar]:
    return [BeaconLiar(way.beacon)] if way.beacon else []


async def _of_beacons(
    world: FaultWorld, way: Way, fault: BeaconFault, numbers: tuple[int, int], folder: Path
) -> Verdict:
    """The verdict on a fault of beacon endpoints, while the chain's own endpoint is honest."""
    faulty, of = numbers
    beacons = [BeaconLiar(world.beacon, name=f"b{index}") for index in range(of)]
    for beacon in beacons[:faulty]:
        beacon.lost = fault.say is None
        beacon.say = fault.say(world.beacon) if fault.say else beacon.say
    async with Endpoint(world.vault.chain.url) as true:
        watched = Watched(world, way.chain, [Liar(true)], beacons, folder)

        def end() -> None:
            for beacon in beacons:
                beacon.lost, beacon.say = False, lambda _, answer: answer

        return await watched.verdict(end, may_wait=faulty == of, halts=fault.halts)


class Watched:
    """A watcher and, where there are beacon endpoints, a light client that is required."""

    def __init__(
        self,
        world: FaultWorld,
        chain: WatchedChain,
        sources: Sequence[object],
        beacons: Sequence[BeaconLiar],
        folder: Path,
    ) -> None:
        self._world = world
        self._light = self._client(beacons, folder) if beacons else None
        self._watch = Watch(chain, sources, folder, witness=self._light)

    async def verdict(self, end: Callable[[], None], *, may_wait: bool, halts: bool = False) -> Verdict:
        """What it makes of the fault, which `end` ends. `may_wait`: credits may come only after that."""
        watch, status = self._watch, self._watch.watcher.status
        await self._poll()
        credited, shown = len(watch.deposits), _shown(watch, self._world)
        end()
        if not _is_true(watch):
            return Verdict("UNTRUE", is_safe=False)
        if status.halt is not None:
            return Verdict(f"halts R{status.halt.code:04}", is_safe=halts)
        await self._poll()
        if not _is_true(watch) or len(watch.deposits) != 1 or status.halt is not None:
            return Verdict("LOST", is_safe=False)
        if credited:
            return Verdict("credits", is_safe=not halts)
        if not shown:
            return Verdict("SILENT", is_safe=False)
        return Verdict(f"waits {shown[:5]}", is_safe=may_wait)

    def _client(self, beacons: Sequence[BeaconLiar], folder: Path) -> BeaconClient:
        folder.mkdir(parents=True)
        beacon = self._world.beacon
        trust = BeaconTrust(beacon.header(CHECKPOINT).root, is_required=True)
        return BeaconClient(NETWORK, beacons, BeaconStore(folder, 1), trust, lambda: beacon.unix_time)

    async def _poll(self) -> None:
        for step in ([self._light.step] if self._light else []) + [self._watch.watcher.step]:
            for _ in range(POLLS):
                try:
                    progressed = await step()
                except RemoteFault:
                    continue
                if not progressed:
                    break


def _shown(watch: Watch, world: FaultWorld) -> str:
    """What readiness shows of the watcher; a chain that stands still is shown by its age."""
    status = watch.watcher.status
    is_still = "still" if status.final_number < world.beacon.final_slot else ""
    return status.last_fault or status.custody_fault or status.shortage or is_still


def _is_true(watch: Watch) -> bool:
    deposits = all(fact.amount == u256(AMOUNT) for fact in watch.deposits) and len(watch.deposits) <= 1
    custody = all(fact.balance in (u256(0), u256(AMOUNT)) for fact in watch.custody)
    return deposits and custody


async def matrix(world: FaultWorld, folder: Path) -> dict[tuple[str, str], tuple[Verdict | None, ...]]:
    """(way to watch, fault) to the verdicts, in the order of ENDPOINTS."""
    stores = count()
    cells: list[tuple[str, Way, EndpointFault | BeaconFault]] = [
        (name, way, fault)
        for name, way in world.ways.items()
        for fault in FAULTS
        if way.beacon is None or fault.about_finality
    ]
    cells += [("its beacons", world.ways["light client"], fault) for fault in BEACON_FAULTS]
    return {
        (name, fault.name): tuple(
            [await verdict_of(world, way, fault, numbers, folder / str(next(stores))) for numbers in ENDPOINTS]
        )
        for name, way, fault in cells
    }


def rows(found: dict[tuple[str, str], tuple[Verdict | None, ...]]) -> Iterator[str]:
    """The table as text; `!` marks what must not be."""
    titles = [f"{faulty} of {of}, quorum {quorum}" for faulty, of, quorum in ENDPOINTS]
    yield _row("chain", "fault", titles)
    for (chain, fault), verdicts in found.items():
        cells = ["-" if each is None else each.text + ("" if each.is_safe else " !") for each in verdicts]
        yield _row(chain, fault, cells)


def _row(chain: str, fault: str, cells: Sequence[str]) -> str:
    return f"{chain:<14} {fault:<30} " + " ".join(f"{cell:<20}" for cell in cells).rstrip()


def main() -> int:
    """Print the table; 1 if a cell is not as it must be."""
    endpoint_set.GRACE_SECONDS, endpoint_set.PATIENCE_SECONDS = 0.05, 0.2
    with tempfile.TemporaryDirectory() as folder:
        anvil = start_anvil(31337, Path(folder) / "chain")
        try:
            found = trio.run(matrix, FaultWorld.on(VaultChain(anvil, FOUR)), Path(folder) / "stores")
        finally:
            anvil.stop()
    sys.stdout.writelines(f"{row}\n" for row in rows(found))
    return 0 if all(each is None or each.is_safe for verdicts in found.values() for each in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
