"""Simulations and proofs on every engine: `python -m benchmarks.engines [--only NAMES] [--json FILE]`.

Jobs of three kinds run in this process, in a pool of two processes, and on a Dask cluster on loopback with one and with
two workers, each a process of its own with one thread: networks under faults (`tests.sim.consensus`), stories of
members (`tests.sim.clearing`), and the vault's escape on a real chain (`tests.sim.escape`, the drill). A proof of an
epoch runs in one process, in two, and in this one with a shard more on each worker of the cluster. Neither the start of
workers counts nor their first job, which imports the product; a proof starts its own processes, and they count.
Outcomes must be the same on all engines.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

# Several threads of linear algebra on busy cores cost fifty times what they gain; before anything imports numpy.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import msgspec
import psutil

from benchmarks.growth.accounts import epoch_of, head_of
from benchmarks.liquidation import filled
from benchmarks.machine import Machine, this_machine
from clearing.schema.terms.genesis import CrisisParameters
from lab.engine import LOCAL, engine_at
from proofs.epoch.prover import commit_epoch, prove_epoch
from proofs.epoch.remote_shard import ProgressBoard
from proofs.epoch.workers import ShardWorkers
from proofs.statement.arithmetization import DOMAIN
from proofs.verify.package_verifier import verify_package
from tests.sim.clearing.story import told_of
from tests.sim.consensus.outcome import Outcome, outcome_of
from tests.sim.escape.story import failures_of

STORY_BLOCKS = 40
PROVEN_ACCOUNTS = 256
ESCAPES_A_CHAIN = 3
PROVING = "proof, accounts"


class Throughput(msgspec.Struct, frozen=True):
    """One kind of job on one engine."""

    what: str
    engine: str
    jobs: int
    seconds: float
    """Of the wall."""
    per_second: float
    cpu_seconds: float
    """Of this process and its workers together; a chain's own left out."""


class Engines(msgspec.Struct, frozen=True):
    """The JSON file."""

    machine: Machine
    found: list[Throughput]


def network(seed: int) -> Outcome:
    """Its CPU time differs from run to run."""
    return outcome_of(seed)._replace(cpu_seconds=0.0)


def escape(seed: int) -> list[tuple[int, str]]:
    return failures_of(range(ESCAPES_A_CHAIN * seed, ESCAPES_A_CHAIN * (seed + 1)))


KINDS: dict[str, tuple[Callable[[int], Any], int, int]] = {
    "networks under faults": (network, 12, 1),
    f"stories of {STORY_BLOCKS} blocks": (partial(told_of, blocks=STORY_BLOCKS), 4, 1),
    "escapes from a vault": (escape, 4, ESCAPES_A_CHAIN),
}
"""The job, how many of them, and how many a job counts for."""


@contextmanager
def cluster(workers: int) -> Iterator[str]:
    """Scheduler in this process, each worker in one of its own."""
    # Imported here: an optional extra, and seconds of import time.
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as running:
        yield "dask://" + running.scheduler_address.partition("://")[2]


@contextmanager
def engines(name: str) -> Iterator[str]:
    """The address of an engine of this name; `dask, N` is started here."""
    if name.startswith("dask, "):
        with cluster(int(name.split()[1])) as address:
            yield address
    else:
        yield name


ENGINES = (LOCAL, "processes:2", "dask, 1 worker", "dask, 2 workers")


def cpu_seconds() -> float:
    """Of this process and all below it that run Python."""
    total = 0.0
    this = psutil.Process()
    for process in (this, *this.children(recursive=True)):
        try:
            if "python" in process.name():
                times = process.cpu_times()
                total += times.user + times.system
        except psutil.Error:
            continue
    return total


def run(what: str, name: str, address: str) -> tuple[Throughput, list[Any]]:
    """All jobs of a kind, after one for each worker that counts for nothing."""
    job, jobs, each = KINDS[what]
    with engine_at(address) as engine:
        list(engine.run(job, range(10_000, 10_002)))
        began, cpu = time.perf_counter(), cpu_seconds()
        outcomes = list(engine.run(job, range(jobs)))
        took, cpu = time.perf_counter() - began, cpu_seconds() - cpu
    return Throughput(what, name, jobs * each, took, jobs * each / took, cpu), outcomes


def prove(name: str, address: str) -> Throughput:
    """One proof. Its processes start while the epoch is prepared, as in a node."""
    shot, seeds = epoch_of(filled(PROVEN_ACCOUNTS, CrisisParameters()))
    head = head_of(shot, commit_epoch(shot, seeds, DOMAIN))
    workers = 2 if name == "processes:2" else 1
    with ShardWorkers(workers, ProgressBoard(3), address if address.startswith("dask") else "") as shards:
        began, cpu = time.perf_counter(), cpu_seconds()
        package = prove_epoch(shot, seeds, *head, domain=DOMAIN, workers=shards)
        took, cpu = time.perf_counter() - began, cpu_seconds() - cpu
    # The header and its time are made up, so other checks of the package say nothing.
    if not next(check.ok for check in verify_package(package).checks if check.name == "ranges_and_rows"):
        raise SystemExit(f"{PROVING}: refused by the verifier on {name}")
    return Throughput(PROVING, name, PROVEN_ACCOUNTS, took, PROVEN_ACCOUNTS / took, cpu)


def line(each: Throughput) -> str:
    return (
        f"  {each.what:24} {each.engine:16} {each.per_second:9.2f}/s   {each.jobs:4} in {each.seconds:6.1f} s, "
        f"{each.cpu_seconds:6.1f} s of CPU"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engines", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", help="kinds whose names have one of these words, separated by commas")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    options = parser.parse_args()
    words = options.only.split(",") if options.only else [""]
    chosen = [what for what in (*KINDS, PROVING) if any(word in what for word in words)]
    report, first = Engines(this_machine(), []), dict[str, list[Any]]()
    print(report.machine.line(), flush=True)
    for name in ENGINES:
        with engines(name) as address:
            for what in chosen:
                if what == PROVING:
                    found = prove(name, address)
                else:
                    found, outcomes = run(what, name, address)
                    if outcomes != first.setdefault(what, outcomes):
                        raise SystemExit(f"{what}: other outcomes on {name}")
                report.found.append(found)
                print(line(found), flush=True)
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
