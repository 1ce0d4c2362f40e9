"""Both verifiers on mutants of good packages: `python -m tests.proofs.browser.fuzz --cases N --seed S`.

They must agree on the verdict and on the check that refuses. Another code within one check is counted and shown: their
order inside a check is mostly no part of the specification. It ends with 1 on a disagreement, which it writes to a
folder.
"""

import argparse
import random
import sys
import time
from collections import deque
from pathlib import Path

from devnet.toolchain import install_browser
from tests.kit.proofs.both_verifiers import Tally, first_answer, request, second_answer
from tests.kit.proofs.file_answers import Answer
from tests.kit.proofs.mutants import KINDS, SHARES, drawn
from tests.kit.proofs.package_mutants import Mutant
from tests.kit.proofs.second_verifier import SecondVerifier

AHEAD = 16
"""How many mutants the second verifier may have before it: both work at the same time."""


def main(arguments: list[str]) -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--cases", type=int, default=1000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument(
        "--kinds", default="", help="of mutants, with commas, in equal parts; by default all by SHARES"
    )
    options.add_argument(
        "--progress", type=int, default=0, help="write the tally after each so many cases to standard error"
    )
    options.add_argument(
        "--folder", type=Path, default=Path("build/disagreements"), help="where disagreements are written"
    )
    options.add_argument("--minutes", type=float, default=0, help="stop after so long; 0: after all cases")
    chosen = options.parse_args(arguments)
    install_browser()
    kinds = chosen.kinds.split(",") if chosen.kinds else [kind for kind, share in SHARES.items() for _ in range(share)]
    tally, waiting, began = Tally(), deque[tuple[str, Mutant, Answer]](), time.monotonic()
    with SecondVerifier() as second:

        def take_answer() -> None:
            kind, mutant, first = waiting.popleft()
            known = len(tally.disagreements)
            tally.add(kind, mutant, first, second_answer(second.receive()))
            for number in range(known, len(tally.disagreements)):
                _write(chosen.folder, f"{chosen.seed}-{number}", *tally.disagreements[number])

        for case in range(chosen.cases):
            kind = kinds[case % len(kinds)]
            mutant = drawn(KINDS[kind], random.Random(f"{chosen.seed}/{case}"))
            second.send(**request(mutant))
            waiting.append((kind, mutant, first_answer(mutant)))
            if len(waiting) == AHEAD:
                take_answer()
            if chosen.progress and case % chosen.progress == chosen.progress - 1:
                sys.stderr.write(f"after {time.monotonic() - began:.0f} s, {tally.report()}\n\n")
                sys.stderr.flush()
            if chosen.minutes and time.monotonic() - began > 60 * chosen.minutes:
                break
        while waiting:
            take_answer()
    sys.stdout.write(tally.report() + "\n")
    return 1 if tally.disagreements else 0


def _write(folder: Path, name: str, text: str, mutant: Mutant) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.ccp").write_bytes(mutant.data)
    if mutant.suffix:
        (folder / f"{name}{mutant.suffix}").write_bytes(mutant.file)
    (folder / f"{name}.txt").write_text(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
