"""What both verifiers answer to a mutant of a package, and the tally of where they differ."""

import re
from collections import Counter
from typing import Any

from proofs.verify.package_verifier import verify_package
from proofs.verify.standalone import verify_standalone
from tests.kit.proofs.browser_page import GOOD
from tests.kit.proofs.package_mutants import Mutant

PROOF = (GOOD / "account-1.ccs").read_bytes()


def first_answer(mutant: Mutant) -> tuple[str, str]:
    """The check that the verifier in Python refuses with, and its code; empty for a package that it accepts."""
    verdict = verify_standalone(PROOF, mutant.data) if mutant.alone else verify_package(mutant.data)
    last = verdict.checks[-1]
    return ("", "") if verdict.ok else (last.name, "" if last.code is None else f"R{last.code:04}")


def second_answer(verdict: dict[str, Any]) -> tuple[str, str]:
    """The same of the verifier in TypeScript."""
    refusal = verdict.get("refusal")
    return (refusal["check"], refusal["code"][:5]) if refusal else ("", "")


def request(mutant: Mutant) -> dict[str, Any]:
    """What the second verifier is asked about a mutant: a brief answer, without the words."""
    alone = {"standalone": PROOF} if mutant.alone else {}
    return {"file": mutant.data, "brief": True, "signed": mutant.signed, **alone}


_NUMBERS = re.compile(r"\d+")
_CHANGE = re.compile(r"(\w+ )?\[(\d+)(?:, (\d+))?")


def class_of(kind: str, what: str) -> str:
    """What a mutant has in common with others: its kind, and of changed values the first two places of each path."""
    _, _, changes = what.partition(": ")
    if kind in {"bits", "bytes"}:
        return kind
    if kind in {"rows", "rulebook", "prices"}:
        return (
            f"{kind}: {_NUMBERS.sub('·', changes.split(';')[0]) if kind == 'rows' else 'other parameters and prices'}"
        )
    parts = []
    for change in changes.split("; "):
        found = _CHANGE.search(change)
        tail = change.rsplit("] ", 1)[-1].split("=")[0].strip() or "another value"
        parts.append(f"{change[: found.start()]}{found[0]}] {tail}" if found else _NUMBERS.sub("·", change))
    return f"{kind}: {' and '.join(sorted(parts))}"


class Tally:
    """What was seen so far."""

    def __init__(self) -> None:
        self.cases: Counter[str] = Counter()
        self.checks: Counter[str] = Counter()
        self.codes: Counter[str] = Counter()
        self.accepted: Counter[str] = Counter()
        self.examples: dict[str, str] = {}
        self.disagreements: list[tuple[str, Mutant]] = []
        self.signed_here = 0

    def add(self, kind: str, mutant: Mutant, first: tuple[str, str], second: tuple[str, str]) -> None:
        self.cases[kind] += 1
        self.checks[first[0] or "accepted"] += 1
        self.signed_here += bool(mutant.signed)
        if first[0] != second[0]:
            self.disagreements.append((f"{kind}: {mutant.what}: first {first}, second {second}", mutant))
        elif not first[0]:
            found = class_of(kind, mutant.what)
            self.accepted[found] += 1
            self.examples.setdefault(found, mutant.what)
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
            f"{decoded} came past decoding, {certified} past the certificate; of {self.signed_here} the second took "
            "the certificate's signature as good, because it was made here",
            f"refused by: {dict(self.checks.most_common())}",
            f"{sum(self.accepted.values())} accepted by both:",
            *(f"  {count} {found}, such as {self.examples[found]}" for found, count in self.accepted.most_common()),
            f"{sum(self.codes.values())} with another code of one check:",
            *(f"  {count} {found}, such as {self.examples[found]}" for found, count in self.codes.most_common()),
            f"{len(self.disagreements)} disagreements:",
            *(f"  {text}" for text, _ in self.disagreements),
        ]
        return "\n".join(lines)
