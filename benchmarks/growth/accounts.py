"""One node with more and more accounts, all of them in positions, in a process of its own for each number.

Run by `benchmarks.growth`; alone: `python -m benchmarks.growth.accounts 1000`, which prints costs by name as JSON.
Blocks are applied by the rulebook itself, on the market of the rulebook's tests. A restart is what a node does with its
snapshot: decode, check, index, and compute the roots; in a process that has nothing else in memory.
"""

import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import msgspec
import psutil

from benchmarks.growth.series import Point, Series
from benchmarks.liquidation import filled, genesis_of
from clearing.apply_block import apply_block
from clearing.base.certificate import Certificate
from clearing.base.header import Header
from clearing.base.secp256k1 import recover
from clearing.base.validators import ValidatorSet
from clearing.epochs.snapshot import state_root, take_snapshot
from clearing.margin.statement.rulebook import read_rulebook
from clearing.margin.statement.snapshot import RiskSnapshot
from clearing.schema.blocks.block import BlockInput, VoteExtension
from clearing.schema.terms.genesis import CrisisParameters
from clearing.state.export import export_state, import_state
from clearing.state.state import State
from proofs.epoch.package import commitments_root
from proofs.epoch.prover import commit_epoch, prove_epoch
from proofs.statement.arithmetization import DOMAIN
from tests.kit.clearing.genesis import BTC, BTC_PERP, ETH, SALT
from tests.kit.clearing.world import World, reports
from tests.kit.proofs import small_market

SIZES = (100, 1_000, 10_000, 100_000)
PROVEN_MAX = 10_000
"""More accounts are not proven here: each costs the same."""
COMMITTED_MAX = 100_000
MEMORY_LEAST = 1.0
"""MiB; less is noise, because a process takes memory in larger pieces."""
TRADES, FIRST = 1_000, 10
NEAR = ((BTC, 789_000), (ETH, 19_900))
ROOT = Path(__file__).resolve().parents[2]

COSTS = {
    "empty block": ("ms", 50.0, "Only what changed is looked at."),
    "block of 1,000 trades": ("ms", 300.0, "Only the accounts in it are margined."),
    "block in which both feeds move": (
        "ms",
        1_000.0,
        "Every holder is settled and margined in it. Settle lazily, or margin slices of holders in parallel processes.",
    ),
    "state root from nothing": ("ms", 60_000.0, "Only at a restart; a block recomputes what it changed."),
    "export of a snapshot": ("ms", 1_000.0, "Written beside the node's work; write tables one by one."),
    "size of a snapshot": ("MiB", 1_024.0, "State sync moves it in chunks; send tables that changed only."),
    "restart from a snapshot": ("ms", 60_000.0, "Heights go on with the other validators meanwhile."),
    "memory": ("MiB", 4_096.0, "A larger machine; records of inactive accounts on disk."),
    "commitments of an epoch": (
        "ms",
        60_000.0,
        "The header waits for them (at most 60 s). Commit again only what changed, and longer epochs.",
    ),
    "proof of an epoch": (
        "ms",
        3_600_000.0,
        "Linear: spread over `proofs.workers` processes or a Dask cluster (`proofs.prover`), or prove longer epochs.",
    ),
}
"""Unit, limit and remedy of each cost. A proof is due within an hour."""


def _cpu_ms(what: Callable[[], object], rounds: int) -> float:
    """Median CPU of one call."""
    took = []
    for _ in range(rounds):
        began = time.process_time()
        what()
        took.append(1000 * (time.process_time() - began))
    return median(took)


def costs(accounts: int) -> dict[str, float]:
    """In this process, and the restart in another."""
    world = filled(accounts, CrisisParameters())
    state, rounds = world.state, 5 if accounts < 50_000 else 3
    said = VoteExtension(reports(*NEAR, time_ms=state.now.time_ms + 1_000))
    blocks: dict[str, BlockInput] = {
        "empty block": world.make_block(),
        "block of 1,000 trades": _trades(world, accounts),
        "block in which both feeds move": world.make_block(extensions=[said] * 4),
    }
    found = {name: _cpu_ms(lambda block=block: apply_block(state, block), rounds) for name, block in blocks.items()}  # type: ignore[misc]
    data = export_state(state)
    found["export of a snapshot"] = _cpu_ms(lambda: export_state(state), rounds)
    found["size of a snapshot"] = len(data) / 2**20
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "snapshot"
        file.write_bytes(data)
        command = [sys.executable, "-m", "benchmarks.growth.accounts", str(accounts), "--restart", str(file)]
        found |= json.loads(subprocess.run(command, check=True, capture_output=True, cwd=ROOT).stdout)
    return found | _proven(world, accounts)


def _trades(world: World, accounts: int) -> BlockInput:
    """Their signatures are recovered already, as by the pool."""
    ids, mark = range(FIRST, FIRST + accounts), world.state.marks[BTC_PERP].ticks
    trades = [
        world.trade(ids[each % accounts], ids[(7 * each + 1) % accounts], BTC_PERP, 1 + each % 5, mark + each % 50)
        for each in range(TRADES)
    ]
    for trade in trades:
        digest = trade.digest(world.network)
        recover(digest, trade.buyer_signature)
        recover(digest, trade.seller_signature)
    return world.make_block(trades)


def _proven(world: World, accounts: int) -> dict[str, float]:
    """An epoch's commitments, all new, and its proof: both on one core."""
    if accounts > COMMITTED_MAX:
        return {}
    shot, seeds = epoch_of(world)
    began = time.process_time()
    committed = commit_epoch(shot, seeds, DOMAIN)
    found = {"commitments of an epoch": 1000 * (time.process_time() - began)}
    if accounts > PROVEN_MAX:
        return found
    head = head_of(shot, committed)
    began = time.process_time()
    prove_epoch(shot, seeds, *head, domain=DOMAIN)
    return found | {"proof of an epoch": 1000 * (time.process_time() - began)}


def epoch_of(world: World) -> tuple[RiskSnapshot, dict[int, bytes]]:
    """What there is to prove of a world as its first epoch, with a seed for each account."""
    world.block(facts=world.custody_facts(400))
    shot = take_snapshot(world.state)
    # No epoch of so short a story has closed, and verifiers refuse epoch 0.
    shot = msgspec.structs.replace(shot, statement=msgspec.structs.replace(shot.statement, epoch=1))
    return shot, {each.account: (each.account + 1).to_bytes(32, "big") for each in shot.accounts}


def head_of(
    shot: RiskSnapshot, committed: tuple[tuple[int, bytes], ...], domain: int = DOMAIN
) -> tuple[Header, Certificate, ValidatorSet]:
    """A header that carries these commitments, certified by made-up validators, at the time of its prices."""
    stated = shot.statement
    return small_market.certified(
        commitments_root(stated, committed, domain),
        network=stated.network,
        height=stated.height + 3,
        commitments_height=stated.height,
        epoch=stated.epoch,
        time_ms=read_rulebook(stated.rules, len(stated.slots)).time_ms,
    )


def restarted(accounts: int, file: Path) -> dict[str, float]:
    """Import a snapshot; the memory is what the state adds to a process that has the genesis."""
    genesis, process = genesis_of(accounts, CrisisParameters()), psutil.Process()
    data = file.read_bytes()
    gc.collect()
    before, began = process.memory_full_info().uss, time.process_time()
    state = import_state(genesis, SALT, data)
    imported = time.process_time()
    _root(state)
    done = time.process_time()
    gc.collect()
    return {
        "restart from a snapshot": 1000 * (done - began),
        "state root from nothing": 1000 * (done - imported),
        "memory": (process.memory_full_info().uss - before) / 2**20,
    }


def _root(state: State) -> bytes:
    return state_root(state)


def series(sizes: tuple[int, ...] = SIZES) -> list[Series]:
    """Each size in a process of its own."""
    found: dict[str, list[Point]] = {}
    for accounts in sizes:
        command = [sys.executable, "-m", "benchmarks.growth.accounts", str(accounts)]
        measured = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=ROOT).stdout)
        for name, cost in measured.items():
            if name != "memory" or cost >= MEMORY_LEAST:
                found.setdefault(name, []).append(Point(accounts, cost))
    return [
        Series("accounts", name, unit, tuple(found[name]), limit, remedy)
        for name, (unit, limit, remedy) in COSTS.items()
        if len(found.get(name, ())) > 1
    ]


def main() -> None:
    accounts = int(sys.argv[1])
    file = Path(sys.argv[3]) if sys.argv[2:3] == ["--restart"] else None
    print(json.dumps(restarted(accounts, file) if file else costs(accounts)))


if __name__ == "__main__":
    main()
