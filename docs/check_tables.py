"""The table of the verifier's checks: their names in order, and the codes that each may give, found in the code.

Rule: the names are those of `PackageChecks.in_order` and of the standalone verifier. Codes are those that a check's
functions name, and the functions that these call. Left out are those in `INTERNAL`, which a file cannot cause.
"""

import dis
import importlib
import inspect
from collections.abc import Callable, Iterator
from functools import cached_property
from types import CodeType, ModuleType
from typing import Any, cast

from clearing.base.errors import BaseCode, CodeBook
from proofs.epoch.package import EpochPackage, read_package
from proofs.errors import ProofCode
from proofs.history.ordering import backwards, chain_conflicts, equivocations, gaps, link
from proofs.history.transition import reappeared, unexplained
from proofs.linear.verifier import verify_batch
from proofs.onchain.keys import check_keys
from proofs.onchain.presentation import check_presentation
from proofs.onchain.verifier import verify_account
from proofs.verify import standalone
from proofs.verify.claim_text import MEANINGS
from proofs.verify.freshness import Freshness, check_freshness
from proofs.verify.package_verifier import PackageChecks
from proofs.verify.signed_inclusion import read_answer
from proofs.verify.verdict import OwnAccount

OURS = ("proofs.", "clearing.", __name__)
INTERNAL: dict[str, frozenset[CodeBook]] = {
    "encoding": frozenset({BaseCode.BAD_POINT}),
    "statement": frozenset({ProofCode.BAD_CHALLENGE}),
    "ranges_and_rows": frozenset({ProofCode.BAD_LAYOUT, ProofCode.BAD_STATEMENT}),
    "matched_book": frozenset(
        {ProofCode.BAD_STATEMENT, ProofCode.BAD_LAYOUT, ProofCode.BAD_CHALLENGE, ProofCode.WRONG_SRS}
    ),
    "freshness": frozenset({BaseCode.OVERSIZE, BaseCode.MALFORMED, BaseCode.NON_CANONICAL, BaseCode.OUT_OF_RANGE}),
    "custody": frozenset({BaseCode.BAD_TRIE_PROOF}),
    "rules": frozenset({BaseCode.OVERSIZE, BaseCode.MALFORMED, BaseCode.NON_CANONICAL, BaseCode.OUT_OF_RANGE}),
    "inclusion": frozenset({ProofCode.BAD_LAYOUT, ProofCode.BAD_CHALLENGE, ProofCode.WRONG_SRS}),
    "solvency": frozenset({ProofCode.BAD_LAYOUT, ProofCode.BAD_STATEMENT}),
}
"""Codes that an earlier check excludes, or that the check itself turns into one of its own."""

Function = Callable[..., Any]


def checks() -> str:
    """The checks of a package."""
    return _table([("encoding", read_package), *package_checks()])


def standalone_checks() -> str:
    """The checks of a standalone proof."""
    known: dict[str, Function] = {**dict(package_checks()), **dict(standalone_functions())}
    names = list(standalone.CHECKS)
    names.insert(names.index("roots") + 1, "freshness")
    return _table([(name, known[name]) for name in names])


def standalone_functions() -> list[tuple[str, Function]]:
    """The checks of a standalone proof that a package has not, or makes of one file only."""
    return [
        ("encoding", _read_both),
        ("listed", standalone.AccountStatements.account_of),
        ("solvency", verify_batch),
    ]


def _read_both() -> None:
    """The two readings behind `encoding` of a standalone proof: of its package, then of the proof itself."""
    read_package(b"")
    standalone.read_standalone(b"")


def codes() -> str:
    """Every code of the checks, of signed answers, of proofs on chain, of histories and of transitions."""
    named: list[tuple[str, Function]] = [*package_checks()]
    named += [("encoding", read_package), ("listed", standalone.AccountStatements.account_of)]
    named += [("answer", read_answer), ("on chain", check_keys), ("on chain", verify_account)]
    named += [("transition", unexplained), ("transition", reappeared)]
    named += [("on chain", check_presentation)]
    named += [("history", rule) for rule in (link, equivocations, backwards, chain_conflicts, gaps)]
    found = sorted({ProofCode.CHECK_OPEN, *(code for name, check in named for code in may_give(name, check))})
    rows = ["| code | name | meaning |", "|---|---|---|"]
    rows += [f"| {code.label} | `{code.name}` | {code.remedy} |" for code in found]
    return "\n".join(rows)


def may_give(name: str, check: Function) -> list[CodeBook]:
    """The codes that a check may give for a file."""
    return sorted(_named_by(check) - INTERNAL.get(name, frozenset()))


def package_checks() -> list[tuple[str, Function]]:
    """The checks of a package after `encoding`, in order, with the functions behind them."""
    of_none = PackageChecks(  # which are listed, not run
        cast(EpochPackage, None), own=OwnAccount(0, (), b""), freshness=Freshness(0)
    )
    own: dict[str, Function] = {"freshness": check_freshness}
    return [(name, own.get(name) or getattr(PackageChecks, name)) for name, _ in of_none.in_order()]


def _table(named: list[tuple[str, Function]]) -> str:
    rows = ["| order | check | passes when | codes |", "|---:|---|---|---|"]
    for place, (name, check) in enumerate(named, start=1):
        given = ", ".join(f"{code.label} `{code.name}`" for code in may_give(name, check))
        rows.append(f"| {place} | `{name}` | {MEANINGS[name]} | {given} |")
    return "\n".join(rows)


def _named_by(start: Function) -> set[CodeBook]:
    """The codes named in a function and in all functions and classes of ours that it uses."""
    seen: set[Any] = set()
    found: set[CodeBook] = set()
    waiting: list[Any] = [start]
    while waiting:
        function = _plain(waiting.pop())
        if function in seen or not str(getattr(function, "__module__", "")).startswith(OURS):
            continue
        seen.add(function)
        if inspect.isclass(function):
            if not issubclass(function, Exception | int):
                waiting += [_plain(member) for member in vars(function).values()]
        elif inspect.isfunction(function):
            for used in _used_by(function.__code__, function.__globals__):
                if isinstance(used, CodeBook):
                    found.add(used)
                else:
                    waiting.append(used)
    return found


def _plain(member: Any) -> Any:
    """The function behind a decorator; None for what is none."""
    if isinstance(member, cached_property):
        return member.func
    if isinstance(member, property):
        return member.fget
    if isinstance(member, classmethod | staticmethod):
        return member.__func__
    return inspect.unwrap(member) if callable(member) else None


def _used_by(code: CodeType, names: dict[str, Any]) -> Iterator[Any]:
    """Codes, functions and classes that a piece of code loads by their names."""
    steps = list(dis.get_instructions(code))
    module = ""
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        if step.opname == "IMPORT_NAME":
            module = step.argval
        if step.opname == "IMPORT_FROM":
            value = getattr(importlib.import_module(module), step.argval, None)
        elif step.opname == "LOAD_GLOBAL":
            value = names.get(step.argval)
        else:
            continue
        attribute = following.argval if following is not None and following.opname in _ATTRIBUTES else None
        is_book = inspect.isclass(value) and issubclass(value, CodeBook)
        if attribute is not None and (is_book or isinstance(value, ModuleType)):
            value = getattr(value, attribute)
        if isinstance(value, CodeBook) or callable(value):
            yield value
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _used_by(constant, names)


_ATTRIBUTES = ("LOAD_ATTR", "LOAD_METHOD")
