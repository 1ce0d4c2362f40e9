"""Page "Verification", section "Sizes": the lengths of all parts, before anything in them is computed."""

from typing import Any

from tests.vectors.proofs.runner.encoding import need
from tests.vectors.proofs.runner.statement import auxiliary, kinds_of

COLUMNS = 16


def check(package: dict[str, Any]) -> None:
    """Check `sizes`."""
    stated, accounts = package["statement"], len(package["commitments"])
    if accounts:
        _linear(package["proof"], accounts)
    if package["house"]:
        _linear(package["house"], 1)
    stresses = kinds_of(stated).count("UNCOVERED")
    _at_most(package["cover"], stresses * (48 + 128 * COLUMNS) + 320 + 224 + 128 * COLUMNS + 320)
    need(len(package["book"]) == 48 + 32 * (2 + len(auxiliary(stated))), "BAD_LENGTH", "book")
    _at_most(stated["shortfalls"], accounts)
    _at_most(stated["totals"], len(stated["slots"]))
    for terms in stated["cover"]:
        _at_most(terms["members"], accounts)
        _at_most(terms["deficits"], len(stated["slots"]))


def _linear(proof: bytes, accounts: int) -> None:
    lengths = [128 * columns * accounts + 320 for columns in range(1, COLUMNS + 1)]
    need(len(proof) in lengths, "BAD_LENGTH", "linear proof")


def _at_most(items: Any, limit: int) -> None:
    need(len(items) <= limit, "BAD_LENGTH", "too many")
