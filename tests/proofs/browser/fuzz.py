"""Both verifiers on mutants of good packages: `python -m tests.proofs.browser.fuzz --cases N --seed S`.

They must agree on the verdict and on the check that refuses. Another code within one check is counted and shown: their
order inside a check is mostly no part of the specification. It ends with 1 on a disagreement, which it writes to a
folder.
"""

import argparse
import random
import sys
import time
from pathlib import Path

from devnet.toolchain import install_browser
from tests.kit.proofs.both_verifiers import Tally, first_answer, request, second_answer
from tests.kit.proofs.package_mutants import KINDS, drawn
from tests.kit.proofs.second_verifier import SecondVerifier


def main(arguments: list[str]) -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--cases", type=int, default=1000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--kinds", default=",".join(KINDS), help="of mutants, with commas")
    options.add_argument(
        "--progress", type=int, default=0, help="write the tally after each so many cases to standard error"
    )
    options.add_argument(
        "--folder", type=Path, default=Path("build/disagreements"), help="where disagreements are written"
    )
    options.add_argument("--minutes", type=float, default=0, help="stop after so long; 0: after all cases")
    chosen = options.parse_args(arguments)
    install_browser()
    tally, kinds, began = Tally(), chosen.kinds.split(","), time.monotonic()
    with SecondVerifier() as second:
        for case in range(chosen.cases):
            chance = random.Random(f"{chosen.seed}/{case}")
            kind = kinds[case % len(kinds)]
            mutant = drawn(KINDS[kind], chance)
            second.send(**request(mutant))
            first = first_answer(mutant)
            tally.add(kind, mutant, first, second_answer(second.receive()))
            if chosen.progress and case % chosen.progress == chosen.progress - 1:
                sys.stderr.write(tally.report() + "\n\n")
                sys.stderr.flush()
            if chosen.minutes and time.monotonic() - began > 60 * chosen.minutes:
                break
    for number, (text, mutant) in enumerate(tally.disagreements):
        chosen.folder.mkdir(parents=True, exist_ok=True)
        (chosen.folder / f"{chosen.seed}-{number}.ccp").write_bytes(mutant.data)
        (chosen.folder / f"{chosen.seed}-{number}.txt").write_text(text)
    sys.stdout.write(tally.report() + "\n")
    return 1 if tally.disagreements else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
