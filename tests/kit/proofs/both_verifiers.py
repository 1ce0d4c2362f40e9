"""What both verifiers answer to a mutant, and the tally of where they differ."""

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from proofs.verify.package_verifier import verify_package
from proofs.verify.standalone import verify_standalone
from tests.kit.proofs.browser_page import GOOD
from tests.kit.proofs.file_answers import Answer, of_account, of_answer, of_keys, of_verdict
from tests.kit.proofs.package_mutants import Mutant

PROOF = (GOOD / "account-1.ccs").read_bytes()
FIRST: dict[str, Callable[[bytes, bytes], Answer]] = {
    ".ccs": lambda file, package: of_verdict(verify_standalone(file, package)),
    ".cci": of_answer,
    ".cco": of_keys,
    ".cca": lambda file, _: of_account(file),
}
"""The verifier in Python, by the suffix of a file beside a package."""
REQUESTS = {".ccs": "standalone", ".cci": "answer", ".cco": "onchain_epoch", ".cca": "onchain_account"}
_POWER = re.compile(r"with (\d+) of (\d+) of the power")


def first_answer(mutant: Mutant) -> Answer:
    """The check that the verifier in Python refuses with, and its code; empty for what it accepts."""
    if mutant.suffix:
        return FIRST[mutant.suffix](mutant.file, mutant.data)
    return of_verdict(verify_standalone(PROOF, mutant.data) if mutant.alone else verify_package(mutant.data))


def second_answer(verdict: dict[str, Any]) -> Answer:
    """The same of the verifier in TypeScript."""
    refusal = verdict.get("refusal")
    signed = _POWER.search(verdict.get("last", ""))
    more = verdict.get("contradiction", "") or (f"{signed[1]} of {signed[2]}" if signed else "")
    return Answer(refusal["check"], refusal["code"][:5], more) if refusal else Answer("", "", more)


def request(mutant: Mutant) -> dict[str, Any]:
    """What the second verifier is asked about a mutant: a brief answer, without the words."""
    beside = {REQUESTS[mutant.suffix]: mutant.file} if mutant.suffix else {"standalone": PROOF} if mutant.alone else {}
    return {"file": mutant.data, "brief": True, "signed": mutant.signed, **beside}


_NUMBERS = re.compile(r"\d+")
_CHANGE = re.compile(r"(\w+ )?\[(\d+)(?:, (\d+))?")


def class_of(kind: str, what: str) -> str:
    """What a mutant has in common with others: its kind, and of changed values the first two places of each path."""
    way, _, changes = what.partition(": ")
    if kind in {"bits", "bytes"}:
        return kind
    if kind.startswith("cc"):
        kind = f"{kind}, {way.rsplit(', ', 1)[-1]}"
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
        self.reached: dict[str, Counter[str]] = {}

    def add(self, kind: str, mutant: Mutant, first: Answer, second: Answer) -> None:
        self.cases[kind] += 1
        self.checks[first[0] or "accepted"] += 1
        self.signed_here += bool(mutant.signed)
        self._reach(kind, first)
        if (first.check, first.more) != (second.check, second.more):
            self.disagreements.append((f"{kind}: {mutant.what}: first {first}, second {second}", mutant))
        elif not first[0]:
            found = class_of(kind, mutant.what)
            self.accepted[found] += 1
            self.examples.setdefault(found, mutant.what)
        elif first[1] != second[1]:
            found = f"{first[0]}: first {first[1]}, second {second[1]}"
            self.codes[found] += 1
            self.examples.setdefault(found, mutant.what)

    def _reach(self, kind: str, first: Answer) -> None:
        """How far the first verifier came."""
        reached = self.reached.setdefault(kind, Counter())
        reached["decoded"] += first.check != "encoding"
        reached["signed"] += first.signed
        reached["accepted"] += not first.check
        reached["contradicted"] += bool(first.check == "answer" and first.more)

    def report(self) -> str:
        total = sum(self.cases.values())
        decoded = total - self.checks["encoding"]
        certified = decoded - self.checks["certificate"]
        lines = [
            f"{total} cases: {dict(self.cases)}",
            f"{decoded} came past decoding, {certified} past the certificate; of {self.signed_here} the second took "
            "the certificate's signature as good, because it was made here",
            *(f"  {kind}: {self.cases[kind]} cases, {_counted(found)}" for kind, found in self.reached.items()),
            f"refused by: {dict(self.checks.most_common())}",
            f"{sum(self.accepted.values())} accepted by both:",
            *(f"  {count} {found}, such as {self.examples[found]}" for found, count in self.accepted.most_common()),
            f"{sum(self.codes.values())} with another code of one check:",
            *(f"  {count} {found}, such as {self.examples[found]}" for found, count in self.codes.most_common()),
            f"{len(self.disagreements)} disagreements:",
            *(f"  {text}" for text, _ in self.disagreements),
        ]
        return "\n".join(lines)


def _counted(reached: Counter[str]) -> str:
    line = f"{reached['decoded']} decoded, {reached['signed']} past the signature, {reached['accepted']} accepted"
    return f"{line}, {reached['contradicted']} contradicted" if reached["contradicted"] else line
