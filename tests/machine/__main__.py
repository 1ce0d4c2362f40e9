"""Check the machine-checked proofs with Coq: `make prove`.

    python -m tests.machine [--write]

Rule: 0 only when every file compiles, no word leaves anything unproven, and `Print Assumptions` of every theorem gives
what `proofs/machine/assumptions.txt` says. It installs nothing; without Coq it names the Debian packages and ends
with 69. It needs the standard library alone. Results lie under build/prove.
"""

import argparse
import re
import shutil
import subprocess
import sys
import time

from tests.machine import sources

BUILD = sources.FOLDER.parents[1] / "build" / "prove"
MISSING = 69
WARNINGS = "-notation-overridden,-ambiguous-paths,-redundant-canonical-projection,-projection-no-head-constant"
CLOSED = "Closed under the global context"


def main() -> int:
    """Run the checks; 1 when one fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.machine")
    parser.add_argument("--write", action="store_true", help="write the list of assumptions anew, and judge nothing")
    options = parser.parse_args()
    if shutil.which("coqc") is None or not is_complete():
        print(f"make prove needs Coq with these Debian packages: {' '.join(sources.packages())}", file=sys.stderr)
        return MISSING
    bad = [f"{file}.v: {line}" for file in sources.files() for line in sources.unproven(sources.text(file))]
    if bad:
        print("\n".join(["unproven:", *bad]), file=sys.stderr)
        return 1
    for file in sources.files():
        began = time.monotonic()
        if not compiled(file, sources.text(file)):
            return 1
        print(f"ok    {file + '.v':20}{time.monotonic() - began:6.1f} s", flush=True)
    found = printed_assumptions()
    if options.write:
        listed = "".join(f"{theorem}: {said}\n" for theorem, said in found.items())
        sources.ASSUMPTIONS.write_text(f"# What each theorem assumes, as Coq prints it; make prove compares.\n{listed}")
        return 0
    wrong = differences(found, sources.assumptions())
    print("\n".join(wrong) if wrong else f"ok    {len(found)} theorems assume what the list says")
    return 1 if wrong else 0


def is_complete() -> bool:
    """Whether the libraries are there."""
    return compiled("libraries", "From mathcomp Require Import all_ssreflect all_algebra zify ring.\n", quiet=True)


def compiled(name: str, source: str, *, quiet: bool = False) -> bool:
    """Compile one file; prints what Coq says against it."""
    ended = run_coq(name, source)
    if ended.returncode and not quiet:
        print(ended.stdout + ended.stderr, file=sys.stderr)
    return ended.returncode == 0


def run_coq(name: str, source: str) -> subprocess.CompletedProcess[str]:
    """Coq on one file, in the folder of results."""
    BUILD.mkdir(parents=True, exist_ok=True)
    path = BUILD / f"{name}.v"
    path.write_text(source, encoding="utf-8")
    command = ["coqc", "-q", "-w", WARNINGS, "-Q", ".", sources.LIBRARY, path.name]
    return subprocess.run(command, cwd=BUILD, capture_output=True, text=True, check=False)


def printed_assumptions() -> dict[str, str]:
    """Of each theorem what `Print Assumptions` says: names of axioms, or "nothing"."""
    needed = "".join(f"From {sources.LIBRARY} Require {file}.\n" for file in sources.files())
    asked = "".join(
        f'Goal True. idtac "@@ {theorem}". Abort.\nPrint Assumptions {sources.LIBRARY}.{theorem}.\n'
        for theorem in sources.theorems()
    )
    ended = run_coq("assumptions", needed + asked)
    if ended.returncode:
        raise SystemExit(ended.stdout + ended.stderr)
    return dict(map(read_answer, ended.stdout.split("@@ ")[1:]))


def read_answer(answer: str) -> tuple[str, str]:
    """A theorem, and the names of its axioms."""
    theorem, _, said = answer.partition("\n")
    if said.strip() == CLOSED:
        return theorem.strip(), "nothing"
    names = re.findall(r"^([\w.]+)(?: :|$)", said.partition("\n")[2], re.MULTILINE)
    return theorem.strip(), ", ".join(names) or said.strip()


def differences(found: dict[str, str], listed: dict[str, str]) -> list[str]:
    """Where the two lists disagree, a line each."""
    return [
        f"WRONG {theorem} assumes {found.get(theorem, 'what nobody knows: there is no such theorem')}, "
        f"listed: {listed.get(theorem, 'not at all')}"
        for theorem in sorted(found.keys() | listed.keys())
        if found.get(theorem) != listed.get(theorem)
    ]


if __name__ == "__main__":
    sys.exit(main())
