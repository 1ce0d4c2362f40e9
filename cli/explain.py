"""`crossclear explain CODE`: every stable code of every package, and what to do about it.

Rule: a code book that is not listed here does not exist for operators; a test walks the source tree and fails when one
is missing. Only modules of codes are imported.
"""

import importlib
from dataclasses import dataclass

import click

from clearing.base.errors import CodeBook, LocalFault
from cli.output import output_option, show
from member.codes import NodeCode

CODE_MODULES = (
    "clearing.base.errors",
    "clearing.schema.codes",
    "consensus.codes",
    "bridge.codes",
    "proofs.errors",
    "member.codes",
    "node.oracle.source",
    "devnet.codes",
    "node.p2p.codes",
)


@dataclass(frozen=True, slots=True)
class CodeExplanation:
    """One code: printed form, name, package, and what the refused party can do."""

    label: str
    name: str
    package: str
    remedy: str


def code_books() -> dict[str, type[CodeBook]]:
    """Module name to its code book. Raises LookupError for a module without one."""
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
        if len(found) != 1:
            raise LookupError(f"{name} must define one CodeBook")
        books[name] = found[0]
    return books


def all_explanations() -> tuple[CodeExplanation, ...]:
    """All codes, by number."""
    codes = [(code, module.split(".")[0]) for module, book in code_books().items() for code in book]
    return tuple(
        CodeExplanation(code.label, code.name.lower(), package, code.remedy)
        for code, package in sorted(codes, key=lambda pair: pair[0].value)
    )


def explanations_of(wanted: str) -> tuple[CodeExplanation, ...]:
    """What `R0203`, `203` or `collateral_needed_for_margin` means. Raises LocalFault UNKNOWN_CODE."""
    text = wanted.strip().lower()
    number = text.removeprefix("r")
    found = tuple(
        explanation
        for explanation in all_explanations()
        if explanation.name == text
        or (number.isascii() and number.isdigit() and explanation.label == f"R{int(number[:9]):04d}")
    )
    if not found:
        raise LocalFault(NodeCode.UNKNOWN_CODE, "explain", code=wanted)
    return found


@click.command()
@click.argument("code", required=False)
@click.option("--all", "everything", is_flag=True, help="All codes, by number.")
@output_option
def explain(code: str | None, everything: bool, output: str) -> None:
    """Explain CODE (R0203, 203 or its name) and what to do about it.

    Example: crossclear explain R0816
    """
    if (code is None) != everything:
        raise click.UsageError("give a code, or --all")
    found = all_explanations() if code is None else explanations_of(code)
    text = "\n".join(
        f"{explanation.label} {explanation.name} ({explanation.package})\n    {explanation.remedy}"
        for explanation in found
    )
    show(found, text, output)
