"""The whole suite in random orders beside a load, again and again: finds tests that lean on their order or on speed.

    python -m tests.shuffled [--runs 10] [--seed 1] [--load CORES]

Run k is `make test` with the files, and the tests in each file, in the order of seed + k - 1, while as many processes
as asked for (by default one for each core) do nothing but compute. A failing order comes again with its seed:
`make test OPTIONS="--random-order-bucket=module --random-order-seed=SEED"`.

Rule: exits 0 only when every run passed; the load ends with the run.
"""

import argparse
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def compute() -> None:
    """Keep a core busy until it is ended, or until who started it is gone."""
    parent = os.getppid()
    while os.getppid() == parent:
        sum(range(1_000_000))


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """That many processes that compute."""
    load = [multiprocessing.get_context("spawn").Process(target=compute) for _ in range(processes)]
    for process in load:
        process.start()
    try:
        yield
    finally:
        for process in load:
            process.kill()
            process.join()


def main() -> int:
    """Run the suite as often as asked; the exit code is 1 when any run failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.shuffled")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1, help="of the first run; each run takes the next")
    parser.add_argument("--load", type=int, default=os.cpu_count() or 1, help="processes that compute beside the tests")
    options = parser.parse_args()
    failed = []
    for seed in range(options.seed, options.seed + options.runs):
        order = f"--random-order-bucket=module --random-order-seed={seed}"
        began = time.monotonic()
        with busy(options.load):
            run = subprocess.run(["make", "test", f"OPTIONS={order}"], cwd=ROOT, check=False)
        if run.returncode:
            failed.append(seed)
        outcome = "failed" if run.returncode else "passed"
        print(f"seed {seed}: {outcome} in {time.monotonic() - began:.0f} s, load {options.load}", flush=True)
    print(f"{options.runs - len(failed)} of {options.runs} runs passed; failed seeds: {failed or 'none'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
