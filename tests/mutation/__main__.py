"""Mutation testing of the vault: small faults in its sources, and the share of them that the tests find.

    python -m tests.mutation [--contract NAME …] [--sample N] [--seed N] [--workers N] [--quick]
                             [--record FILE] [--recorded]

Rule: exits 0 only when at least 95 % of the faults are found that `explained.toml` does not call equivalent, and no
equivalent one was found by the tests of its own subject. A sample of N faults a file is drawn by the seed; without it
all are tried.
"""

import argparse
import random
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bridge.contracts import FOLDER
from tests.mutation.compiler import sound_artifacts
from tests.mutation.explained import Explained, idle, read_explained
from tests.mutation.killing import FIRST, LAST, Verdict
from tests.mutation.operators import Mutant, mutants
from tests.mutation.record import FINAL, Record
from tests.mutation.workers import Worker, verdicts_on

SHARE_MIN_PERCENT = 95
OUTCOMES = ("killed", "survived", "equivalent", "same", "invalid", "error")
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
        if verdict.outcome == "error":
            complaints.append(f"{verdict.mutant}: {verdict.by}")
    total = sum(counts.values(), Counter())
    lines = ["file".ljust(26) + "".join(f"{outcome:>11}" for outcome in OUTCOMES) + f"{'share':>8}"]
    for file, found in [*sorted(counts.items()), ("all", total)]:
        lines.append(f"{file:26}" + "".join(f"{found[each]:11}" for each in OUTCOMES) + f"{_percent(found):7.1f}%")
    return [*lines, *complaints], _percent(total) >= SHARE_MIN_PERCENT and not complaints


def _name(file: str) -> str:
    return file.removesuffix(".sol")


def _percent(found: Counter[str]) -> float:
    tried = found["killed"] + found["survived"]
    return 100 * found["killed"] / tried if tried else 100.0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    parser.add_argument("--contract", action="append", choices=sorted(map(_name, FIRST)), help="all unless given")
    parser.add_argument("--sample", type=int, help="faults of each contract; all unless given")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="faults tried at the same time")
    parser.add_argument("--record", type=Path, help="file of verdicts: faults that it has as found are not tried again")
    parser.add_argument("--recorded", action="store_true", help="try nothing: the figures of the record")
    parser.add_argument("--quick", action="store_true", help="only the tests of a fault's own subject")
    return parser.parse_args()


def tried(options: argparse.Namespace, files: Sequence[str], record: Record) -> list[Verdict]:
    """Try faults of these files; verdicts that stay are taken from the record.

    Raises AssertionError when the tests fail without any fault.
    """
    explained, sound = read_explained(), sound_artifacts()
    with Worker(sound) as worker:
        if failed := worker.failing_test(LAST):
            raise AssertionError(f"{failed} fails without any fault")
    chosen = sampled(files, options.sample, options.seed)
    known = [record.verdict(mutant) for mutant in chosen]
    verdicts = [verdict for verdict in known if verdict is not None and verdict.outcome in FINAL]
    done = {verdict.mutant for verdict in verdicts}
    untried = [mutant for mutant in chosen if mutant not in done]
    equivalent = [mutant for mutant in untried if any(entry.covers(mutant) for entry in explained)]
    others = [mutant for mutant in untried if mutant not in equivalent]
    # In random order, so that the record of a run that was stopped is a sample, too.
    random.Random(options.seed).shuffle(others)
    for part, quick in ((others, options.quick), (equivalent, True)):
        for verdict in verdicts_on(part, sound, options.workers, quick=quick):
            verdicts.append(verdict)
            record.add(verdict)
            print(f"{verdict.outcome:9} {verdict.mutant} {verdict.by}".rstrip(), flush=True)
    return verdicts


def recorded(files: Sequence[str], record: Record) -> list[Verdict]:
    """The record's verdicts on the faults that these files have today."""
    found = (record.verdict(mutant) for file in files for mutant in mutants_of(file))
    return [verdict for verdict in found if verdict is not None]


def main() -> int:
    """Try the faults; 1 when too few are found, 70 when the tests fail without any fault."""
    options = _options()
    record = Record(options.record)
    files = [file for file in FIRST if options.contract is None or _name(file) in options.contract]
    try:
        verdicts = recorded(files, record) if options.recorded else tried(options, files, record)
    except AssertionError as error:
        sys.stderr.write(f"{error}\n")
        return 70
    explained = read_explained()
    lines, is_well = summary(verdicts, explained)
    unused = idle(
        explained, [each for file in sorted({entry.file for entry in explained}) for each in mutants_of(file)]
    )
    print("\n".join([*lines, *unused]))
    return 0 if is_well and not unused else 1


if __name__ == "__main__":
    sys.exit(main())
