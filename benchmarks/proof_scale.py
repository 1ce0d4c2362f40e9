"""Scale of the joint proof: many accounts, several columns, one process or several, each step in CPU seconds.

Run `python -m benchmarks.proof_scale [--accounts 1000 3000 10000] [--columns 1 3] [--workers local processes:2 dask:4]`
at the top of the repository; `--repeat 3` gives a spread. `--package` proves a whole epoch of the market of
`benchmarks.growth` instead and verifies its file with `crossclear verify`; with `--small` that of a market of two
instruments on a domain of 256, which is proven in a fifth of the time and costs a verifier as much an account. Prover
and verifier each run in a process of their own, whose peak memory is its own. With `dask:N` the cluster's N workers are
processes, too, on loopback.

CPU seconds count what runs and not what waits, so they can be compared where other programs share the cores. One column
is the shape of the design: 256 positions, 16 amounts, 32 dense rows, 1664 digits in n = 2048; c columns have c times as
many of each.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

# Several threads of linear algebra on busy cores cost fifty times what they gain; before anything imports numpy.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import msgspec
import psutil

from benchmarks.engines import cluster
from benchmarks.figures import Figure, of_times
from benchmarks.growth.accounts import epoch_of, head_of
from benchmarks.liquidation import filled
from benchmarks.machine import this_machine
from benchmarks.proof_scale_verifier import Proven, layout_of_columns, made_up, peak_of, verify_linear
from benchmarks.proofs import AMOUNTS, POSITIONS
from clearing.genesis.json import genesis_to_json
from clearing.margin.statement.snapshot import AccountHoldings, RiskSnapshot
from clearing.schema.terms.genesis import CrisisParameters
from cli.progress import progress
from proofs.algebra.commitment import commit
from proofs.algebra.group import encode_point
from proofs.algebra.srs import basis, powers_g1
from proofs.epoch.package import read_package
from proofs.epoch.prover import commit_epoch, prove_epoch
from proofs.epoch.remote_shard import SHARDS_MAX, ProgressBoard
from proofs.epoch.workers import ShardWorkers
from proofs.linear.layout import ProofLayout
from proofs.linear.prover import random_scalar
from proofs.linear.statement import LinearStatement, Witness, make_witness
from proofs.statement.arithmetization import DOMAIN
from tests.kit.proofs import small_market

COUNTS = (1_000, 3_000, 10_000)
LOCAL = "local"
HELD, PAID = 40, 4
"""Positions and amounts of an account that are not zero, in each column's worth of slots."""
ROOT = Path(__file__).resolve().parent.parent
T = TypeVar("T")


def accounts_of(layout: ProofLayout, columns: int, count: int) -> tuple[LinearStatement, list[Witness]]:
    """Accounts with 40 positions and 4 amounts each and for each column, and their statement."""
    points, positions, amounts, witnesses = basis(layout.size), POSITIONS * columns, AMOUNTS * columns, []
    for account in range(count):
        values = [0] * (positions + amounts)
        for i in range(HELD * columns):
            values[(account * 31 + i * 6) % positions] = (account + i) * (-1) ** i * 1_000
        for i in range(PAID * columns):
            values[positions + i] = 10**12 + account
        witnesses.append(make_witness(layout, values, 0, (random_scalar(), random_scalar())))
    commitments = tuple(encode_point(commit(points, w.values, w.blinders)) for w in witnesses)
    return LinearStatement(layout, bytes(32), tuple(range(count)), (0,) * count, commitments), witnesses


def prove_linear(accounts: int, columns: int, workers: int, address: str) -> Proven:
    """In a process of its own: make the accounts and prove."""
    import pickle

    powers_g1()
    statement, witnesses = accounts_of(layout_of_columns(columns), columns, accounts)
    prepared = time.process_time()
    with ShardWorkers(workers, _Proving.board, address) as shards:
        shards.start(accounts)
        began = time.perf_counter()
        proof, _ = shards.prove(statement, witnesses)
        seconds = time.perf_counter() - began
        others = tuple(peak_of(child.pid) for child in psutil.Process().children())
    return Proven(pickle.dumps(statement), proof, seconds, prepared, peak_of(os.getpid()), others)


class _Proving:
    """The board of the proof under way, shared with the process that proves."""

    board = ProgressBoard(SHARDS_MAX)


def _follow(board: ProgressBoard) -> None:
    _Proving.board = board


def spent() -> float:
    """CPU seconds of this process and all below it, those included that have ended."""
    total = 0.0
    this = psutil.Process()
    for process in (this, *this.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def apart(call: Callable[..., T], *arguments: object) -> T:
    """The result of a call in a new process; meanwhile its progress."""
    board, report = ProgressBoard(SHARDS_MAX), progress("proven", "round")
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=_follow, initargs=(board,)) as pool:
        running = pool.submit(call, *arguments)
        while not wait([running], 0.5).done:
            found = board.read()
            if 0 < found.done < found.total:
                report(found.done, found.total)
        return running.result()


@contextmanager
def workers_of(name: str) -> Iterator[tuple[int, str]]:
    """(processes, address of the cluster) of `local`, `processes:N` or `dask:N`, which is started here."""
    kind, _, number = name.partition(":")
    if kind == "dask":
        with cluster(int(number)) as address:
            yield 1, address
    elif name == LOCAL:
        yield 1, ""
    else:
        yield int(number), ""


def measured(accounts: int, columns: int, workers: str, repeat: int) -> Iterator[Figure]:
    """One line of the table: proving, size, verifying, memory."""
    proofs, cpus = [], []
    with workers_of(workers) as (count, address):
        for _ in range(repeat):
            began = spent()
            proofs.append(apart(prove_linear, accounts, columns, count, address))
            cpus.append(spent() - began - proofs[-1].prepared)
        remote = [peak_of(child.pid) for child in psutil.Process().children(recursive=True)] if address else []
    name = f"{accounts:,} accounts, {columns} column{'s' * (columns > 1)}, {workers}"
    last = proofs[-1]
    yield of_times(f"{name}: prove, CPU", cpus, "s")
    yield of_times(f"{name}: prove, wall", [each.seconds for each in proofs], "s")
    yield of_times(f"{name}: prove, CPU an account", [each / accounts for each in cpus])
    yield Figure(f"{name}: size with commitments", (len(last.proof) + 48 * accounts) / 1e6, "MB")
    yield Figure(f"{name}: memory of the prover", last.peak / 2**20, "MiB")
    if others := [*last.others, *remote]:
        yield Figure(f"{name}: memory of the largest worker", max(others) / 2**20, "MiB")
    yield from verifying(name, last, repeat)


def verifying(name: str, proven: Proven, repeat: int) -> Iterator[Figure]:
    """What a proof costs its verifier."""
    checks = [apart(verify_linear, proven) for _ in range(repeat)]
    yield of_times(f"{name}: verify, CPU", [each["cpu"] for each in checks], "s", goal="< 5")
    yield of_times(f"{name}: verify, wall", [each["seconds"] for each in checks], "s")
    yield Figure(f"{name}: memory of the verifier", checks[-1]["peak"] / 2**20, "MiB")
    for step in [key for key in checks[-1] if key.startswith("step: ")]:
        yield of_times(f"{name}: verify, {step.removeprefix('step: ')}", [each[step] for each in checks], "s")


def small_epoch(accounts: int) -> RiskSnapshot:
    """An even number of accounts, the house first, each with cash, a token and a position against its neighbour's."""
    holdings = tuple((account, (10**6 + account, 3, (-1) ** account, 0)) for account in range(accounts))
    owned = [AccountHoldings(account, values, owner=account.to_bytes(20, "big")) for account, values in holdings]
    return RiskSnapshot(small_market.statement(holdings), tuple(owned))


def prove_package(accounts: int, small: bool, workers: int, address: str, file: str) -> dict[str, float]:
    """In a process of its own: an epoch of a market with so many accounts, committed and proven into a file."""
    powers_g1()
    if small:
        shot, domain = small_epoch(accounts), small_market.N
        seeds = {account: (account + 1).to_bytes(32, "big") for account in range(accounts)}
    else:
        world = filled(accounts, CrisisParameters(), small_market.validator_set())
        genesis_beside(file).write_bytes(genesis_to_json(world.genesis))
        (shot, seeds), domain = epoch_of(world), DOMAIN
    before = peak_of(os.getpid())
    began = time.process_time()
    committed = commit_epoch(shot, seeds, domain)
    found = {"commit": time.process_time() - began, "before": before}
    head = head_of(shot, committed, domain)
    with ShardWorkers(workers, _Proving.board, address) as shards:
        began, wall = spent(), time.perf_counter()
        data = prove_epoch(shot, seeds, *head, domain=domain, workers=shards)
        found |= {"cpu": spent() - began, "seconds": time.perf_counter() - wall}
    Path(file).write_bytes(data)
    statement = shot.statement
    return found | {
        "accounts": len(shot.accounts),
        "slots": len(statement.slots),
        "rows": len(statement.rows),
        "bytes": len(data),
        "peak": peak_of(os.getpid()),
    }


def measured_package(accounts: int, workers: str, repeat: int, *, small: bool) -> Iterator[Figure]:
    """A whole package of the market of `benchmarks.growth`, verified by the command."""
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "epoch.ccp")
        with workers_of(workers) as (count, address):
            found = apart(prove_package, accounts, small, count, address, file)
        name = f"package of {found['accounts']:,.0f} accounts, {workers}"
        yield Figure(f"{name}: slots", found["slots"], "")
        yield Figure(f"{name}: rows", found["rows"], "")
        yield Figure(f"{name}: commit, CPU", found["commit"], "s")
        yield Figure(f"{name}: prove, CPU but for a cluster's workers", found["cpu"], "s")
        yield Figure(f"{name}: prove, wall", found["seconds"], "s")
        yield Figure(f"{name}: size", found["bytes"] / 1e6, "MB")
        yield Figure(f"{name}: memory of the prover", found["peak"] / 2**20, "MiB")
        yield Figure(f"{name}: of it the market itself", found["before"] / 2**20, "MiB")
        yield from verifying_command(name, file, repeat)


def genesis_beside(file: str) -> Path:
    """Where the genesis of a package's market is written; the small market has none."""
    return Path(file).with_suffix(".json")


OPEN = ("custody", "cover")
"""Checks that stay open here: nobody proves a made-up chain's state, and the market tests no fund."""


def verifying_command(name: str, file: str, repeat: int) -> Iterator[Figure]:
    """`crossclear verify` of a file, strictly but for what stays open, at the time of its header.

    Raises RuntimeError where a check is refused: the time of a refusal says nothing.
    """
    package, genesis = read_package(Path(file).read_bytes()), genesis_beside(file)
    if genesis.exists():
        trusted = ["--genesis", str(genesis)]
    else:
        known = {"--network": package.header.network, "--validators-hash": package.validators.hash}
        trusted = [word for option, value in known.items() for word in (option, value.hex())]
    at = datetime.fromtimestamp(package.header.time_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    allowed = [word for check in OPEN for word in ("--allow-open", check)]
    command = [sys.executable, "-m", "cli", "verify", file, *trusted, "--at", at, *allowed, "--output", "json"]
    runs = [subprocess.run(command, capture_output=True, cwd=ROOT, check=False) for _ in range(repeat)]
    for run in runs:
        if run.returncode:
            raise RuntimeError(f"the package is refused: {run.stdout.decode()[-2000:]} {run.stderr.decode()[-2000:]}")
    reports = [msgspec.json.decode(run.stdout) for run in runs]
    yield of_times(f"{name}: crossclear verify, wall", [each["seconds"] for each in reports], "s")
    if "cpu_seconds" in reports[-1]:
        yield of_times(f"{name}: crossclear verify, CPU", [each["cpu_seconds"] for each in reports], "s")
    if "peak_bytes" in reports[-1]:
        yield Figure(f"{name}: crossclear verify, memory", max(each["peak_bytes"] for each in reports) / 2**20, "MiB")
    for check in reports[-1]["checks"]:
        state = "" if check["complete"] else ", open"
        yield Figure(f"{name}: check {check['name']}{state}", check["seconds"], "s")


def figures(*, quick: bool = False) -> list[Figure]:
    """See `benchmarks.__main__`."""
    return [figure for accounts in ((100,) if quick else COUNTS[:2]) for figure in measured(accounts, 1, LOCAL, 1)]


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.proof_scale", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--accounts", type=int, nargs="+", default=list(COUNTS))
    parser.add_argument("--columns", type=int, nargs="+", default=[1])
    parser.add_argument("--workers", nargs="+", default=[LOCAL], help="local, processes:N, dask:N")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--package", action="store_true", help="a whole epoch, verified by the command")
    parser.add_argument("--small", action="store_true", help="with --package: 6 slots and n = 256 instead of 2048")
    parser.add_argument("--only-verify", action="store_true", help="a made-up proof, which costs a verifier as much")
    options = parser.parse_args(words)
    print(this_machine().line(), flush=True)
    for accounts in options.accounts:
        for workers in options.workers:
            if options.package:
                for figure in measured_package(accounts, workers, options.repeat, small=options.small):
                    print(figure.line(), flush=True)
                continue
            for columns in options.columns:
                if options.only_verify:
                    name = f"{accounts:,} accounts, {columns} column{'s' * (columns > 1)}"
                    found = verifying(name, made_up(accounts, columns), options.repeat)
                else:
                    found = measured(accounts, columns, workers, options.repeat)
                for figure in found:
                    print(figure.line(), flush=True)


if __name__ == "__main__":
    main()
