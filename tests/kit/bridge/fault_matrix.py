"""Endpoints times faults times chains: what a watcher makes of each, as a table.

    python -m tests.kit.bridge.fault_matrix

Every cell is a watcher of a real vault with one final deposit. It polls while some of its endpoints have the fault, and
then while none has. The verdict is computed from what it reported:

- `credits`: the deposit was credited in spite of the fault;
- `waits` with a reason: it was credited as soon as the fault ended, and readiness said why it was not before;
- `UNTRUE`, `LOST`, `SILENT`, `halts`: something else was credited, it was never credited, nothing showed, or the chain
  was halted. These must not be, nor may a fault of a minority that contradicts no final block make credits wait.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import trio

from bridge.contracts.vault import BALANCE_OF
from bridge.evm.events import DEPOSITED
from bridge.evm.hexadecimal import hex_data, hex_quantity
from bridge.rpc import endpoint_set
from bridge.rpc.endpoint import Endpoint, Refusal, Result, RpcCall
from bridge.watched_chain import FinalityPolicy, WatchedChain
from clearing.base.codec import u256
from clearing.base.errors import RemoteFault
from devnet.anvil import start_anvil
from tests.kit.bridge.forged_chain import ForgedChain, linked_branch
from tests.kit.bridge.vault_chain import FOUR, VaultChain
from tests.kit.bridge.watched_chain import Liar, Watch

AMOUNT = 1_000
POLLS = 8
Alter = Callable[[RpcCall, Result], Result]


@dataclass(frozen=True)
class FaultWorld:
    """A vault with one deposit, which is final."""

    vault: VaultChain
    block: int
    """Of the deposit."""

    @classmethod
    def on(cls, vault: VaultChain) -> "FaultWorld":
        receipt = vault.deposit(AMOUNT)
        vault.chain.mine(12)
        return cls(vault, int(receipt["blockNumber"]))

    @property
    def chains(self) -> dict[str, WatchedChain]:
        """The ways to watch it."""
        watched = self.vault.watched(poll_seconds=0.01)
        return {"log blooms": watched, "no log blooms": replace(watched, blooms=False)}


@dataclass(frozen=True)
class EndpointFault:
    """What an endpoint does wrong. `alter` is made for a world; None: it does not answer at all."""

    name: str
    alter: Callable[[FaultWorld], Alter] | None
    contradicts: bool = False
    """It disputes final blocks, or lacks them: then one is enough to stop credits."""
    needs_honest: bool = False
    """Nothing that a node can check contradicts it but another endpoint."""


def _each(alter: Alter) -> Callable[[FaultWorld], Alter]:
    return lambda _: alter


def _refusing(*methods: str) -> Callable[[FaultWorld], Alter]:
    return _each(lambda call, result: Refusal(-32601, "not available") if call.method in methods else result)


def _is_block(call: RpcCall, result: Result) -> bool:
    return call.method.startswith("eth_getBlockBy") and isinstance(result, dict)


def _block_field(name: str, value: str) -> Callable[[FaultWorld], Alter]:
    return _each(lambda call, result: {**result, name: value} if _is_block(call, result) else result)  # type: ignore[dict-item]


def _final_number(world: FaultWorld, number: int) -> Alter:
    def alter(call: RpcCall, result: Result) -> Result:
        is_tag = call.params[:1] == ("finalized",)
        return world.vault.chain.rpc("eth_getBlockByNumber", hex_quantity(number), *[False]) if is_tag else result

    return alter


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
    EndpointFault("states other hashes", _block_field("hash", "0x" + "22" * 32), contradicts=True),
    EndpointFault("forges a branch", _forged, contradicts=True, needs_honest=True),
    EndpointFault("forges blocks ahead", _ahead, needs_honest=True),
    EndpointFault("lacks final blocks", _without_blocks, contradicts=True),
    EndpointFault("calls block 0 final", lambda world: _final_number(world, 0)),
    EndpointFault("stands still", lambda world: _final_number(world, world.block - 1)),
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
    world: FaultWorld, chain: WatchedChain, fault: EndpointFault, numbers: tuple[int, int, int], folder: Path
) -> Verdict | None:
    """One cell; None where no endpoint is honest and nothing else could show the fault."""
    faulty, of, quorum = numbers
    if fault.needs_honest and faulty == of:
        return None
    async with Endpoint(world.vault.chain.url) as true:
        sources = [Liar(true, name=f"e{index}") for index in range(of)]
        for source in sources[:faulty]:
            source.lost = fault.alter is None
            source.alter = fault.alter(world) if fault.alter else source.alter
        watch = Watch(replace(chain, finality=FinalityPolicy(quorum)), sources, folder)
        await _poll(watch)
        status = watch.watcher.status
        credited, shown = len(watch.deposits), _shown(watch, world)
        for source in sources:
            source.lost, source.alter = False, lambda _call, result: result
        if not _is_true(watch):
            return Verdict("UNTRUE", is_safe=False)
        if status.halt is not None:
            return Verdict(f"halts {shown[:5]}", is_safe=False)
        await _poll(watch)
    if not _is_true(watch) or len(watch.deposits) != 1 or status.halt is not None:
        return Verdict("LOST", is_safe=False)
    if credited:
        return Verdict("credits", is_safe=True)
    if not shown:
        return Verdict("SILENT", is_safe=False)
    return Verdict(f"waits {shown[:5]}", is_safe=fault.contradicts or faulty > of - quorum)


def _shown(watch: Watch, world: FaultWorld) -> str:
    """What readiness shows of the watcher; a chain that stands still is shown by its age."""
    status = watch.watcher.status
    true = int(world.vault.chain.rpc("eth_getBlockByNumber", "finalized", *[False])["number"], 16)
    is_still = "still" if status.final_number < true else ""
    return status.last_fault or status.custody_fault or status.shortage or is_still


def _is_true(watch: Watch) -> bool:
    deposits = all(fact.amount == u256(AMOUNT) for fact in watch.deposits) and len(watch.deposits) <= 1
    custody = all(fact.balance in (u256(0), u256(AMOUNT)) for fact in watch.custody)
    return deposits and custody


async def _poll(watch: Watch) -> None:
    for _ in range(POLLS):
        try:
            progressed = await watch.watcher.step()
        except RemoteFault:
            continue
        if not progressed:
            return


async def matrix(world: FaultWorld, folder: Path) -> dict[tuple[str, str], tuple[Verdict | None, ...]]:
    """(chain, fault) to the verdicts, in the order of ENDPOINTS."""
    stores = count()
    return {
        (name, fault.name): tuple(
            [await verdict_of(world, chain, fault, numbers, folder / str(next(stores))) for numbers in ENDPOINTS]
        )
        for name, chain in world.chains.items()
        for fault in FAULTS
    }


def rows(found: dict[tuple[str, str], tuple[Verdict | None, ...]]) -> Iterator[str]:
    """The table as text; `!` marks what must not be."""
    titles = [f"{faulty} of {of}, quorum {quorum}" for faulty, of, quorum in ENDPOINTS]
    yield _row("chain", "fault", titles)
    for (chain, fault), verdicts in found.items():
        cells = ["-" if each is None else each.text + ("" if each.is_safe else " !") for each in verdicts]
        yield _row(chain, fault, cells)


def _row(chain: str, fault: str, cells: Sequence[str]) -> str:
    return f"{chain:<14} {fault:<26} " + " ".join(f"{cell:<20}" for cell in cells).rstrip()


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
