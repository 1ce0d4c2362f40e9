"""Mutation testing of the consensus core: small faults in its sources, and the share of them that the tests find.

    python -m tests.mutation.core [--file NAME …] [--sample N] [--seed N] [--workers N] [--quick]
                                  [--record FILE] [--recorded]

Rule: as for the contracts (`python -m tests.mutation`): 0 only when at least 95 % of the faults are found that
`explained.toml` does not call equivalent, and no equivalent one was found.
"""

import argparse
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.mutation.__main__ import summary
from tests.mutation.core.killing import FIRST, SOURCES, failing, verdicts_on
from tests.mutation.core.operators import mutants
from tests.mutation.explained import idle, read_explained
from tests.mutation.killing import Verdict
from tests.mutation.operators import Mutant
from tests.mutation.record import FINAL, Record

EXPLAINED = Path(__file__).with_name("explained.toml")


def mutants_of(file: str) -> list[Mutant]:
    """All mutants of one of the core's sources."""
    return mutants(file, (SOURCES / file).read_text(encoding="utf-8"))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation.core")
    parser.add_argument("--file", action="append", choices=sorted(FIRST), help="all unless given")
    parser.add_argument("--sample", type=int, help="faults of each file; all unless given")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="faults tried at the same time")
    parser.add_argument("--record", type=Path, help="file of verdicts: faults that it has as found are not tried again")
    parser.add_argument("--recorded", action="store_true", help="try nothing: the figures of the record")
    parser.add_argument("--quick", action="store_true", help="only the tests of a fault's own subject")
    return parser.parse_args()


def tried(options: argparse.Namespace, chosen: Sequence[Mutant], record: Record) -> list[Verdict]:
    """Try these faults; those that the record has as found are not tried again.

    Raises AssertionError when the tests fail without any fault.
    """
    for file in sorted({mutant.file for mutant in chosen}):
        if by := failing(file, quick=options.quick):
            raise AssertionError(f"{by} fails without any fault")
    known = {mutant: record.verdict(mutant) for mutant in chosen}
    verdicts = [verdict for verdict in known.values() if verdict is not None and verdict.outcome in FINAL]
    done = {verdict.mutant for verdict in verdicts}
    untried = [mutant for mutant in chosen if mutant not in done]
    random.Random(options.seed).shuffle(untried)
    for verdict in verdicts_on(untried, options.workers, quick=options.quick):
        verdicts.append(verdict)
        record.add(verdict)
        print(f"{verdict.outcome:9} {verdict.mutant} {verdict.by}".rstrip(), flush=True)
    return verdicts


def main() -> int:
    """Try the faults; 1 when too few are found, 70 when the tests fail without any fault."""
    options, explained = _options(), read_explained(EXPLAINED)
    record = Record(options.record)
    chosen: list[Mutant] = []
    for file in options.file or FIRST:
        every = mutants_of(file)
        size = len(every) if options.sample is None else min(options.sample, len(every))
        chosen += random.Random(f"{options.seed}/{file}").sample(every, size)
    try:
        recorded = (record.verdict(mutant) for mutant in chosen)
        verdicts = [each for each in recorded if each] if options.recorded else tried(options, chosen, record)
    except AssertionError as error:
        sys.stderr.write(f"{error}\n")
        return 70
    lines, is_well = summary(verdicts, explained)
    unused = idle(explained, [each for file in FIRST for each in mutants_of(file)])
    print("\n".join([*lines, *unused]))
    return 0 if is_well and not unused else 1


if __name__ == "__main__":
    sys.exit(main())
