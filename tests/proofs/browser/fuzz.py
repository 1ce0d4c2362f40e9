"""Both verifiers on mutants of good packages: `python -m tests.proofs.browser.fuzz --cases N --seed S`.

They must agree on the verdict and on the check that refuses. Another code within one check is counted and shown: their
order inside a check is mostly no part of the specification. It ends with 1 on a disagreement, which it writes to a
folder.
"""

import argparse
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from devnet.toolchain import install_browser
from proofs.verify.package_verifier import verify_package
from proofs.verify.standalone import verify_standalone
from tests.kit.proofs.browser_page import GOOD
from tests.kit.proofs.second_verifier import SecondVerifier
from tests.proofs.browser.mutants import KINDS, Mutant, drawn

PROOF = (GOOD / "account-1.ccs").read_bytes()


def first_answer(mutant: Mutant) -> tuple[str, str]:
    """The check that the verifier in Python refuses with, and its code; empty for a package that it accepts."""
    verdict = verify_standalone(PROOF, mutant.data) if mutant.alone else verify_package(mutant.data)
    last = verdict.checks[-1]
    return ("", "") if verdict.ok else (last.name, "" if last.code is None else f"R{last.code:04}")


def second_answer(verdict: dict[str, Any]) -> tuple[str, str]:
    """The same of the verifier in TypeScript."""
    last = verdict["checks"][-1]
    return ("", "") if verdict["ok"] else (last["name"], last["code"][:5])


def request(mutant: Mutant) -> dict[str, bytes]:
    """What the second verifier is asked about a mutant."""
    return {"file": mutant.data, **({"standalone": PROOF} if mutant.alone else {})}


class Tally:
    """What was seen so far."""

    def __init__(self) -> None:
        self.cases: Counter[str] = Counter()
        self.checks: Counter[str] = Counter()
        self.codes: Counter[str] = Counter()
        self.accepted: list[str] = []
        self.examples: dict[str, str] = {}
        self.disagreements: list[tuple[str, Mutant]] = []

    def add(self, kind: str, mutant: Mutant, first: tuple[str, str], second: tuple[str, str]) -> None:
        self.cases[kind] += 1
        self.checks[first[0] or "accepted"] += 1
        if first[0] != second[0]:
            self.disagreements.append((f"{kind}: {mutant.what}: first {first}, second {second}", mutant))
        elif not first[0]:
            self.accepted.append(mutant.what)
        elif first[1] != second[1]:
            found = f"{first[0]}: first {first[1]}, second {second[1]}"
            self.codes[found] += 1
            self.examples.setdefault(found, mutant.what)

    def report(self) -> str:
        total = sum(self.cases.values())
        decoded = total - self.checks["encoding"]
        certified = decoded - self.checks["certificate"]
        lines = [
            f"{total} cases: {dict(self.cases)}",
            f"{decoded} came past decoding, {certified} past the certificate",
            f"refused by: {dict(self.checks.most_common())}",
            f"{len(self.accepted)} accepted by both:",
            *(f"  {what}" for what in self.accepted),
            f"{sum(self.codes.values())} with another code of one check:",
            *(f"  {count} {found}, such as {self.examples[found]}" for found, count in self.codes.most_common()),
            f"{len(self.disagreements)} disagreements:",
            *(f"  {text}" for text, _ in self.disagreements),
        ]
        return "\n".join(lines)


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
