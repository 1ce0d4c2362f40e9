"""All kinds of mutants of the differential fuzz by name, and how often each is drawn."""

import random
from collections.abc import Callable

from tests.kit.proofs.account_mutants import of_account
from tests.kit.proofs.answer_mutants import of_answer
from tests.kit.proofs.keys_mutants import of_keys
from tests.kit.proofs.package_mutants import (
    PACKAGES,
    Mutant,
    of_bits,
    of_bytes,
    of_fields,
    of_prices,
    of_proven,
    of_rows,
    of_rulebook,
    of_structure,
)
from tests.kit.proofs.standalone_mutants import of_standalone

OF_PACKAGES: dict[str, Callable[[random.Random], Mutant]] = {
    "bits": of_bits,
    "bytes": of_bytes,
    "structure": of_structure,
    "fields": of_fields,
    "rulebook": of_rulebook,
    "prices": of_prices,
    "rows": of_rows,
    "proven": of_proven,
}
OF_FILES: dict[str, Callable[[random.Random], Mutant]] = {
    "ccs": of_standalone,
    "cci": of_answer,
    "cco": of_keys,
    "cca": of_account,
}
"""Of files beside a package, by suffix."""
KINDS = {**OF_PACKAGES, **OF_FILES}
SHARES = {"bits": 9, "bytes": 5, "structure": 15, "fields": 30, "rulebook": 15, "prices": 5, "rows": 19, "proven": 2}
"""Of a hundred cases on packages: bytes are soon refused, and a proof of its own costs a third of a second."""


def drawn(kind: Callable[[random.Random], Mutant], chance: random.Random) -> Mutant:
    """A mutant that differs from every good package, or of a file beside one."""
    while True:
        mutant = kind(chance)
        if mutant.suffix or mutant.data not in PACKAGES.values():
            return mutant
