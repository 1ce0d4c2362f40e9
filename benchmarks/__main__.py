"""All figures of this machine: `python -m benchmarks [name…] [--quick] [--json FILE]`.

Rule: benchmarks run one after another, not side by side; one that fails is reported, the others still run, and the exit
code is 1. Times are medians with their extremes in brackets; goals are those of the design.
"""

import argparse
import importlib
import os
import sys
import time
from pathlib import Path

# Several threads of linear algebra on busy cores cost fifty times what they gain; before anything imports numpy.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import msgspec

from benchmarks.figures import Figure
from benchmarks.machine import Machine, this_machine

NAMES = {
    "network": "four validators as processes, trades through their APIs",
    "apply_block": "executing a block, one core",
    "liquidation": "a block that liquidates one in a hundred of ten thousand accounts, one core",
    "governance": "an amendment judged, tried out on ten thousand accounts, and put in force, one core",
    "defaults": "blocks in which one in a hundred of ten thousand members is in default, one core",
    "margin": "margin of a whole book, exact integers, one core",
    "consensus": "agreement between processes, 4 to 32 of them",
    "comet": "CometBFT's kvstore and ours, four nodes each (needs Go)",
    "consensus_core": "agreement alone, all nodes in one process",
    "block_sync": "returning after ten thousand heights, real curves, one core",
    "flood": "what a member that floods costs the other three of four",
    "streams": "a thousand readers of a node's streams, two processes",
    "p2p": "peers on loopback, two to four processes",
    "proofs": "committing, proving, verifying, one core",
    "proof_rows": "what each term of the risk model adds to a proof, one core",
    "proof_scale": "proofs of thousands of accounts, several processes, CPU and memory of each side",
    "verify_cost": "what hostile packages cost their verifier, one core",
    "second_verifier": "the verifier in TypeScript on packages of a hundred accounts, in Node",
    "page": "the member's page in Chromium: bytes, first paint, memory over an hour (needs chromium)",
    "backfill": "deposits that the adapter of a chain takes in when it starts far behind, one core",
    "ethereum_light": "following Ethereum's sync committees of 512, one core",
    "gas": "what the contracts cost, on a local chain",
}


class Results(msgspec.Struct, frozen=True):
    """The JSON file."""

    machine: Machine
    seconds: float
    figures: dict[str, list[Figure]]
    failed: dict[str, str]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="All figures of this machine.")
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(NAMES)}; all by default")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions and sizes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there, too")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(NAMES))
    if unknown:
        parser.error(f"no benchmark of the name {unknown[0]}")
    began, machine = time.monotonic(), this_machine()
    print(machine.line())
    found: dict[str, list[Figure]] = {}
    failed: dict[str, str] = {}
    for name in options.names or NAMES:
        print(f"\n{name}: {NAMES[name]}", flush=True)
        try:
            found[name] = importlib.import_module(f"benchmarks.{name}").figures(quick=options.quick)
        except Exception as error:
            failed[name] = repr(error)
            print(f"  failed: {error!r}", file=sys.stderr)
            continue
        for figure in found[name]:
            print(figure.line(), flush=True)
    seconds = time.monotonic() - began
    print(f"\n{seconds:.0f} s; load at the end {os.getloadavg()[0]:.1f}")
    if options.json is not None:
        results = Results(machine, round(seconds, 1), found, failed)
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
