"""Every field of ten kinds of packages, other ones: `python -m tests.proofs.every_field`, which prints what was seen.

What passes strictly and differs from another that passes must differ in the words of its verdict. `--second N` and
`--text N` ask the verifier in TypeScript and the one from the text about one mutant in N; `--proven N` proves one in N
of what is accepted, and both verifiers must accept it with the same words. It ends with 1 on any finding.
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice

from clearing.genesis.json import genesis_to_json
from devnet.toolchain import install_browser
from proofs.verify.standalone import verify_standalone
from tests.kit.proofs.both_verifiers import PROOF, second_answer
from tests.kit.proofs.every_field import Findings, Mutated, Sweep, taken_as_proven
from tests.kit.proofs.file_answers import of_verdict
from tests.kit.proofs.named_bases import BASES, Base, base_of
from tests.kit.proofs.proven_again import proven_again, verified
from tests.kit.proofs.second_verifier import SecondVerifier
from tests.vectors.proofs.without_pairings import answer_of_text


class Others:
    """What the other verifiers answer to the same mutants."""

    def __init__(self, base: Base, second: SecondVerifier) -> None:
        self.base, self.second = base, second
        named = {name: base.trusted[name].hex() for name in ("network", "validators_hash")}  # type: ignore[union-attr]
        self._known = {"genesis": genesis_to_json(base.trusted["genesis"]), **named}  # type: ignore[arg-type]
        self.asked: Counter[str] = Counter()
        self.codes: Counter[str] = Counter()
        self.disagreements: list[str] = []

    def compare(self, mutant: Mutated, *, text: bool) -> None:
        """The first check that refuses, as far as a proof of one account needs the package."""
        request = {"file": mutant.data, "standalone": PROOF, "brief": True, "signed": list(mutant.signed)}
        self.second.send(**request, **self._known)
        if mutant.signed:
            with taken_as_proven():
                first = of_verdict(verify_standalone(PROOF, mutant.data, **self.base.trusted))  # type: ignore[arg-type]
        else:
            first = of_verdict(verify_standalone(PROOF, mutant.data, **self.base.trusted))  # type: ignore[arg-type]
        answers = {"TypeScript": second_answer(self.second.receive())}
        if text and mutant.signed:
            answers["text"] = answer_of_text(PROOF, mutant.data, self.base)
        for name, found in answers.items():
            self.asked[name] += 1
            if first.check != found.check:
                self.disagreements.append(f"{mutant.what}: first {first}, {name} {found}")
            elif name == "TypeScript" and first.code != found.code:
                self.codes[f"{first.check}: {first.code} and {found.code}"] += 1

    def prove(self, mutant: Mutated) -> None:
        """Prove what was accepted, and have both verifiers judge it whole."""
        data = proven_again(mutant.data, self.base)
        if data is None:
            self.asked["not provable with these accounts"] += 1
            return
        first, found = verified(data, self.base), self.second.ask(file=data, **self._known)
        self.asked["proven"] += 1
        words = {name: str(value) for name, value in first.attested}
        if (first.ok, words) != (found["ok"], found["attested"]):
            self.disagreements.append(f"{mutant.what}, proven: {first.failed}, {found['refusal']}")


def main(arguments: list[str]) -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--bases", default=",".join(BASES))
    options.add_argument("--each", type=int, default=0, help="mutants of each kind of field; 0: all")
    options.add_argument("--pairs", type=int, default=0, help="double mutants of each base")
    options.add_argument("--seed", type=int, default=0)
    for name in ("second", "text", "proven"):
        options.add_argument(f"--{name}", type=int, default=0)
    chosen, found = options.parse_args(arguments), 0
    install_browser()
    with SecondVerifier() as second:
        for name in chosen.bases.split(","):
            found += _swept(name, chosen, second)
    sys.stdout.write(f"{found} findings\n")
    return 1 if found else 0


def _mutants(sweep: Sweep, chosen: argparse.Namespace) -> Iterator[Mutated]:
    chance = random.Random(chosen.seed)
    for mutation in sweep.sample(chance, chosen.each) if chosen.each else sweep.singles:
        yield from sweep.made(mutation)
    for pair in islice(sweep.pairs(chance), chosen.pairs):
        yield from sweep.made(*pair)


def _swept(name: str, chosen: argparse.Namespace, second: SecondVerifier) -> int:
    base, began = base_of(name), time.process_time()
    with taken_as_proven():
        findings = Findings(base)
    others = Others(base, second)
    for number, mutant in enumerate(_mutants(Sweep(base), chosen)):
        before = findings.accepted
        with taken_as_proven():
            findings.add(mutant)
        # By place in the sample, so that what is asked does not depend on what was found.
        if chosen.second and number % chosen.second == 0:
            others.compare(mutant, text=bool(chosen.text) and number % chosen.text == 0)
        if chosen.proven and findings.accepted > before and findings.accepted % chosen.proven == 0:
            others.prove(mutant)
    lines = [
        f"{name}: {findings.cases} mutants, {findings.accepted} accepted, {len(findings.unnamed)} of them unnamed; "
        f"refused by {dict(findings.refused.most_common())}; {time.process_time() - began:.0f} s of CPU",
        f"  asked: {dict(others.asked)}, {len(others.disagreements)} disagreements; other codes: {dict(others.codes)}",
        *(f"  UNNAMED {what}" for what in findings.unnamed),
        *(f"  DISAGREE {what}" for what in others.disagreements),
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
    return len(findings.unnamed) + len(others.disagreements)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
