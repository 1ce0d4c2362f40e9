"""Every stable code of every package, and what to do about it.

Rule: a code book that is not listed here does not exist for operators; a test walks the source tree and fails when one
is missing. Only modules of codes are imported.
"""

import importlib
from dataclasses import dataclass

from clearing.base.errors import CodeBook, LocalFault
from node.codes import NodeCode

CODE_MODULES = (
    "clearing.base.errors",
    "clearing.codes",
    "consensus.codes",
    "bridge.codes",
    "proofs.errors",
    "node.codes",
    "node.oracle.codes",
    "node.devnet.codes",
    "node.p2p.codes",
)


@dataclass(frozen=True, slots=True)
class Explanation:
    """One code: printed form, name, package, and what the refused party can do."""

    label: str
    name: str
    package: str
    remedy: str


def code_books() -> dict[str, tuple[type[CodeBook], dict[CodeBook, str]]]:
    """Module name to its code book and remedies. Raises LookupError for a module without either."""
    books = {}
    for name in CODE_MODULES:
        module = importlib.import_module(name)
        found = [
            value
            for value in vars(module).values()
            if isinstance(value, type)
            and issubclass(value, CodeBook)
            and value is not CodeBook
            and value.__module__ == name
        ]
        if len(found) != 1 or not hasattr(module, "REMEDIES"):
            raise LookupError(f"{name} must define one CodeBook and REMEDIES")
        books[name] = (found[0], module.REMEDIES)
    return books


def all_explanations() -> tuple[Explanation, ...]:
    """All codes, by number."""
    told = [
        (code.value, Explanation(code.label, code.name.lower(), module.split(".")[0], remedies[code]))
        for module, (book, remedies) in code_books().items()
        for code in book
    ]
    return tuple(explanation for _, explanation in sorted(told, key=lambda pair: pair[0]))


def explain(wanted: str) -> tuple[Explanation, ...]:
    """What `R0203`, `203` or `collateral_needed_for_margin` means. Raises LocalFault UNKNOWN_CODE."""
    text = wanted.strip().lower()
    number = text.removeprefix("r")
    found = tuple(
        each
        for each in all_explanations()
        if each.name == text or (number.isascii() and number.isdigit() and each.label == f"R{int(number[:9]):04d}")
    )
    if not found:
        raise LocalFault(NodeCode.UNKNOWN_CODE, "explain", code=wanted)
    return found


def remedy_of(code: CodeBook) -> str:
    """What the one who meets this code can do."""
    module = importlib.import_module(type(code).__module__)
    remedies: dict[CodeBook, str] = module.REMEDIES
    return remedies[code]
