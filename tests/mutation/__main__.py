"""Mutation testing of the vault: small faults in its sources, and the share of them that the tests find.

    python -m tests.mutation [FILE.sol …] [--sample N] [--seed N] [--workers N]

Rule: exits 0 only when at least 95 % of the faults are found that `explained.toml` does not call equivalent, and no
equivalent one was found. A sample of N faults a file is drawn by the seed; without it all are tried.
"""

import argparse
import multiprocessing
import random
import sys
from collections import Counter
from collections.abc import Sequence
from functools import partial

from bridge.contracts import FOLDER
from tests.mutation.explained import Explained, idle, read_explained
from tests.mutation.killing import FIRST, Verdict, compiled, failing_test, judge
from tests.mutation.operators import Mutant, mutants

SHARE_MIN_PERCENT = 95
SOURCES = FOLDER / "src"


def mutants_of(file: str) -> list[Mutant]:
    """All mutants of one of the vault's sources."""
    return mutants(file, (SOURCES / file).read_text(encoding="utf-8"))


def sampled(files: Sequence[str], size: int | None, seed: int) -> list[Mutant]:
    """The mutants to try: all, or as many of each file as asked for."""
    chosen: list[Mutant] = []
    for file in files:
        every = mutants_of(file)
        picked = every if size is None or size >= len(every) else random.Random(f"{seed}/{file}").sample(every, size)
        chosen += sorted(picked, key=lambda mutant: mutant.line)
    return chosen


def summary(verdicts: Sequence[Verdict], explained: Sequence[Explained]) -> tuple[list[str], bool]:
    """The table by file, the complaints, and whether all is well."""
    counts: dict[str, Counter[str]] = {}
    complaints = []
    for verdict in verdicts:
        is_explained = any(entry.covers(verdict.mutant) for entry in explained)
        outcome = "equivalent" if is_explained and verdict.outcome == "survived" else verdict.outcome
        counts.setdefault(verdict.mutant.file, Counter())[outcome] += 1
        if is_explained and verdict.outcome == "killed":
            complaints.append(f"explained.toml: {verdict.mutant} is found by {verdict.by}")
    lines = [f"{'file':22} {'killed':>7} {'survived':>9} {'equivalent':>11} {'same':>5} {'invalid':>8} {'share':>7}"]
    for file, found in [*counts.items(), ("all", sum(counts.values(), Counter()))]:
        share = _percent(found)
        lines.append(
            f"{file:22} {found['killed']:7} {found['survived']:9} {found['equivalent']:11} {found['same']:5} "
            f"{found['invalid']:8} {share:6.1f}%"
        )
    enough = _percent(sum(counts.values(), Counter())) >= SHARE_MIN_PERCENT
    return [*lines, *complaints], enough and not complaints


def _percent(found: Counter[str]) -> float:
    tried = found["killed"] + found["survived"]
    return 100 * found["killed"] / tried if tried else 100.0


def main() -> int:
    """Try the faults; 1 when too few are found, 70 when the tests fail without any fault."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    parser.add_argument("files", nargs="*", default=sorted(FIRST), metavar="FILE.sol")
    parser.add_argument("--sample", type=int, help="faults of each file; all unless given")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="faults tried at the same time")
    options = parser.parse_args()
    explained, sound = read_explained(), compiled()
    processes = multiprocessing.get_context("fork").Pool(options.workers, maxtasksperchild=1)
    if failed := processes.apply(failing_test, (sound,)):
        sys.stderr.write(f"{failed} fails without any fault\n")
        return 70
    verdicts = []
    for verdict in processes.imap_unordered(
        partial(judge, sound=sound), sampled(options.files, options.sample, options.seed)
    ):
        verdicts.append(verdict)
        print(f"{verdict.outcome:9} {verdict.mutant} {verdict.by}".rstrip(), flush=True)
    lines, is_well = summary(verdicts, explained)
    unused = idle(
        explained, [each for file in sorted({entry.file for entry in explained}) for each in mutants_of(file)]
    )
    print("\n".join([*lines, *unused]))
    return 0 if is_well and not unused else 1


if __name__ == "__main__":
    sys.exit(main())
