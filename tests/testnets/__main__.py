"""Networks of real processes with faults.

    python -m tests.testnets run MANIFEST.toml [--output-dir DIR]
    python -m tests.testnets generate --seed N
    python -m tests.testnets random --seeds 0:10 [--output-dir DIR]

Rule: exits 0 only when everything held; homes, logs and the verdict stay in the output folder. Whatever ends it, no
process and no network namespace is left: SIGTERM and SIGHUP end it as Ctrl-C does.
"""

import argparse
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import trio

from clearing.base.errors import CrossclearError
from devnet.demo.main import run_interruptibly
from tests.kit.adversaries.registry import ADVERSARIES
from tests.testnets.generate import generate
from tests.testnets.ground import ROOT
from tests.testnets.manifest import Manifest, dump_manifest, read_manifest
from tests.testnets.runner import run_manifest
from tests.testnets.verdict import as_text

INTERRUPTED = 130


def main() -> int:
    try:
        return _do(_arguments())
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; everything has ended\n")
        return INTERRUPTED


def _do(arguments: argparse.Namespace) -> int:
    try:
        if arguments.command == "generate":
            sys.stdout.write(dump_manifest(generate(arguments.seed, sorted(ADVERSARIES), ref=arguments.ref)))
            return 0
        if arguments.command == "run":
            manifests = [read_manifest(arguments.manifest)]
        else:
            first, _, last = arguments.seeds.partition(":")
            seeds = range(int(first), int(last or int(first) + 1))
            manifests = [generate(seed, sorted(ADVERSARIES), ref=arguments.ref) for seed in seeds]
        folder = arguments.output_dir or Path(tempfile.mkdtemp(prefix="crossclear-testnet-"))
        return max([_run(manifest, folder / manifest.name) for manifest in manifests])
    except CrossclearError as fault:
        sys.stderr.write(f"{fault}\n")
        return 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.testnets", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run a manifest")
    run.add_argument("manifest", type=Path)
    random = commands.add_parser("random", help="run generated manifests")
    random.add_argument("--seeds", default="0:1", help="FIRST:BEYOND")
    made = commands.add_parser("generate", help="print a random manifest")
    made.add_argument("--seed", type=int, required=True)
    for each in (run, random):
        each.add_argument("--output-dir", type=Path, help="a folder for homes and logs; a temporary one by default")
    for each in (random, made):
        each.add_argument("--ref", default="HEAD", help="what upgrades go to: a git ref or the folder of a checkout")
    return parser.parse_args()


def _run(manifest: Manifest, folder: Path) -> int:
    started = time.monotonic()

    def say(text: str) -> None:
        sys.stderr.write(f"[{time.monotonic() - started:7.2f} s] {text}\n")

    verdict = trio.run(run_interruptibly, partial(run_manifest, manifest, folder, say, ROOT))
    sys.stdout.write(as_text(verdict) + "\n")
    sys.stdout.flush()
    return 0 if verdict.ok else 1


if __name__ == "__main__":
    sys.exit(main())
