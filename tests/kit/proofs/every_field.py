"""A quorum that signs anything, field by field: what it can say is refused, or the verdict's words are other ones.

Proofs are taken as given: a quorum that chooses the holdings too can mostly prove what it says. So more is accepted
here than there is, and what is accepted is proven again for a sample (`proven_again`).
"""

import hashlib
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import msgspec
import pytest

from clearing.base import bls
from clearing.base.codec import encode
from clearing.base.errors import Bug, CrossclearError
from clearing.base.validators import ValidatorSet, check_validator_set
from clearing.margin.statement.rulebook import Rulebook, read_rulebook
from clearing.margin.statement.snapshot import CustodyTerm, RiskStatement, Row
from proofs.cover import verifier as cover_verifier
from proofs.cover.terms import CoverParts
from proofs.epoch import house_solvency
from proofs.epoch.package import EpochPackage, commitments_root
from proofs.verify import package_verifier
from proofs.verify.package_verifier import verify_package
from proofs.verify.verdict import Verdict
from tests.kit.proofs.field_walk import (
    RULES,
    STATEMENT,
    Mutation,
    applied,
    mutations_of,
    packed,
    places_of,
    tree_of,
)
from tests.kit.proofs.named_bases import Base
from tests.kit.proofs.package_mutants import signature_name
from tests.kit.proofs.proven_custody import proven

replace = msgspec.structs.replace
HEADER, CERTIFICATE, VALIDATORS, DOMAIN, COMMITMENTS, EVIDENCE = 1, 2, 3, 5, 7, 11
SLOTS, ROWS, TOTALS, CUSTODY = 6, 7, 9, 10
UNSAID = {
    "Header": (
        *("parent", "payload_root", "module_roots", "commitments_root", "withdrawals_root", "withdrawals_count"),
        *("exit_root", "next_validators_hash", "deposit_cursors"),
    ),
    "RiskStatement": ("state_root",),
    "Row": ("name",),
    "EpochPackage": ("certificate", "domain", "proof", "book", "cover", "custody", "house"),
}
"""What a verdict says nothing of: the subject of other proofs, what commitments are bound to, names of rows, and how it
is shown that the header is final, and that the rest holds."""
SPOILT = (
    *(ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError),
    *(msgspec.MsgspecError, CrossclearError, Bug, RecursionError),
)
Said = tuple[Any, ...]


def said(verdict: Verdict) -> Said:
    """What a reader of the verdict sees named with its value."""
    package = verdict.package
    assert package is not None
    terms = tuple((each.fund, each.fund_account, each.deficits) for each in package.statement.cover)
    return (verdict.network, verdict.attested, package.statement.shortfalls, terms)


@contextmanager
def taken_as_proven() -> Iterator[None]:
    """Every check of a package but for the proofs' own equations and lengths, and whether a quorum signed: it does."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("check_sizes", "check_length", "verify_book"):
            patch.setattr(package_verifier, name, lambda *_: None)
        patch.setattr(package_verifier, "verify_linear", lambda linear, *_: linear.transcript())
        patch.setattr(package_verifier, "check_validator_set", _check_set)
        patch.setattr(bls, "verify_aggregate", lambda *_: True)
        patch.setattr(Rulebook, "rows", lambda book: iter(_rows_of(encode(book))))
        patch.setattr(house_solvency, "verify", lambda *_: None)
        patch.setattr(cover_verifier, "read_cover", lambda *_: CoverParts((), b"", b"", b""))
        for name in ("verify", "verify_link"):
            patch.setattr(cover_verifier, name, lambda *_: None)
        yield


def _check_set(validators: ValidatorSet) -> None:
    _check_encoded_set(encode(validators))


@lru_cache(maxsize=64)
def _check_encoded_set(data: bytes) -> None:
    check_validator_set(msgspec.msgpack.decode(data, type=ValidatorSet))


_ROWS = Rulebook.rows


@lru_cache(maxsize=8)
def _rows_of(book: bytes) -> tuple[Row, ...]:
    """As the rulebook makes them."""
    return tuple(_ROWS(msgspec.msgpack.decode(book, type=Rulebook)))


@dataclass
class Mutated:
    """One mutant: its bytes, and the name of a signature that was made for it."""

    what: str
    field: str
    data: bytes
    signed: tuple[str, ...] = ()


class Sweep:
    """The mutants of one base."""

    def __init__(self, base: Base) -> None:
        self.base = base
        self.places = places_of(base.data)
        self._data = packed(tree_of(base.data))

    @cached_property
    def singles(self) -> list[Mutation]:
        """All of them."""
        tree = tree_of(self._data)
        return [mutation for place in self.places for mutation in mutations_of(tree, place)]

    def pairs(self, chance: random.Random) -> Iterator[tuple[Mutation, Mutation]]:
        """Two at once, for ever; each kind of field is drawn as often as another."""
        by_field: dict[str, list[Mutation]] = {}
        for mutation in self.singles:
            by_field.setdefault(mutation[0].field, []).append(mutation)
        fields = sorted(by_field)
        while True:
            yield chance.choice(by_field[chance.choice(fields)]), chance.choice(by_field[chance.choice(fields)])

    def of_field(self, field: str) -> Iterator[Mutation]:
        """Those of one kind of field."""
        tree = tree_of(self._data)
        for place in self.places:
            if place.field == field:
                yield from mutations_of(tree, place)

    def sample(self, chance: random.Random, each: int) -> list[Mutation]:
        """So many of each kind of field."""
        by_field: dict[str, list[Mutation]] = {}
        for mutation in self.singles:
            by_field.setdefault(mutation[0].field, []).append(mutation)
        return [one for own in by_field.values() for one in chance.sample(own, min(each, len(own)))]

    def made(self, *mutations: Mutation) -> list[Mutated]:
        """The files of one mutant: as it is, and with all that a quorum would change with it."""
        what = "; ".join(f"{place.field} {list(place.path)} {way}" for place, way, _ in mutations)
        fields = " and ".join(sorted({place.field for place, _, _ in mutations}))
        found = []
        for fit in (_fit, None):
            tree = tree_of(self._data)
            with suppress(*SPOILT):
                for mutation in sorted(mutations, key=lambda each: each[0].path, reverse=True):
                    applied(tree, mutation)
                paths = [place.path for place, _, _ in mutations]
                if fit is not None and not fit(tree, paths):
                    continue
                certified = any(path[0] in (CERTIFICATE, VALIDATORS) for path in paths)
                data, signed = (packed(tree), ()) if certified else _signed(tree)
                found.append(Mutated(f"{self.base.name}: {what}{', fitted' * (fit is not None)}", fields, data, signed))
                if fit is not None and all(path[:2] == (STATEMENT, RULES) for path in paths):
                    break  # with the rows of another rulebook it is refused
        return found


def file_under(base: Base, rules: list[Any], what: str) -> Mutated:
    """The package of a base under another rulebook, given as lists, with the rows that it makes."""
    tree = tree_of(base.data)
    tree[STATEMENT][RULES] = rules
    _fit_rules(tree[STATEMENT])
    return Mutated(what, "Rulebook", *_signed(tree))


def _fit(tree: list[Any], paths: list[tuple[int, ...]]) -> bool:
    """What follows from the change in an honest statement; whether anything does."""
    parts = {path[1] for path in paths if path[0] == STATEMENT and len(path) > 1}
    if RULES in parts:
        _fit_rules(tree[STATEMENT])
    if CUSTODY in parts:
        _fit_custody(tree)
    if parts & {1, 2}:  # height and epoch
        tree[HEADER][7], tree[HEADER][11] = tree[STATEMENT][1], tree[STATEMENT][2]
    return bool(parts & {RULES, CUSTODY, 1, 2})


def _fit_rules(statement: list[Any]) -> None:
    """Slots, rows and names of prices that a rulebook makes."""
    book = read_rulebook(msgspec.msgpack.encode(statement[RULES]), len(statement[SLOTS]) + 8)
    groups = tuple(group.name for group in book.parameters.groups)
    made = (book.parameters.width, groups, book.slots(), tuple(book.rows()), book.prices)
    statement[4:9] = msgspec.msgpack.decode(encode(made))
    statement[13] = list(book.assumptions)


def _fit_custody(tree: list[Any]) -> None:
    """Claims make up for what a label gained, and made-up blocks, where there were some, say what the terms say."""
    statement = msgspec.msgpack.decode(packed(tree), type=EpochPackage).statement
    stated = replace(statement, custody=tuple(map(_balanced, statement.custody)))
    if tree[EVIDENCE]:
        stated, evidence = proven(stated)
        tree[EVIDENCE] = msgspec.msgpack.decode(encode(evidence))
    tree[STATEMENT][CUSTODY] = msgspec.msgpack.decode(encode(stated.custody))
    held = Counter[int]()
    for term in stated.custody:
        held[term.slot] += term.held
    for total in tree[STATEMENT][TOTALS]:
        if total[0] in held:
            total[1] = held[total[0]]


def _balanced(term: CustodyTerm) -> CustodyTerm:
    units, rest = divmod(term.accounted - term.owed, max(term.unit, 1))
    moved = term.held + units
    return term if rest or moved < 0 else replace(term, held=moved)


def _signed(tree: list[Any]) -> tuple[bytes, tuple[str, ...]]:
    """With a header for what it says and the form of a certificate, where it can be read at all; a verifier
    takes the signature as good."""
    data = packed(tree)
    with suppress(*SPOILT):
        stated = msgspec.msgpack.decode(data, type=EpochPackage)
        root = commitments_root(stated.statement, stated.commitments, stated.domain)
        header = replace(stated.header, commitments_root=root)
        certificate = replace(stated.certificate, height=header.height, value=header.hash)
        tree[HEADER : CERTIFICATE + 1] = [msgspec.msgpack.decode(encode(part)) for part in (header, certificate)]
        return packed(tree), (signature_name(header, certificate, stated.validators),)
    return data, ()


@dataclass
class Findings:
    """What was seen of the mutants of one base."""

    base: Base
    cases: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    accepted: int = 0
    unnamed: list[str] = field(default_factory=list)
    accepted_files: list[Mutated] = field(default_factory=list)

    def __post_init__(self) -> None:
        honest = self._judge(self.base.data)
        assert honest.ok, honest.checks[-1]
        self._open = {check.name for check in honest.checks if not check.complete}
        self._known = {said(honest): _content(honest)}

    def add(self, mutant: Mutated) -> None:
        """Judge one: what has the words of another and says something else is a finding."""
        self.cases += 1
        verdict = self._judge(mutant.data)
        still_open = sorted({check.name for check in verdict.checks if not check.complete} - self._open)
        if not verdict.ok or still_open:
            self.refused[verdict.failed or f"{still_open[0]} open"] += 1
            return
        self.accepted += 1
        self.accepted_files.append(mutant)
        content = _content(verdict)
        if self._known.setdefault(said(verdict), content) != content:
            self.unnamed.append(mutant.what)

    def _judge(self, data: bytes) -> Verdict:
        return verify_package(data, **self.base.trusted)  # type: ignore[arg-type]


def _content(verdict: Verdict) -> bytes:
    """Hash of all that a package says, but for `UNSAID`."""
    digest = hashlib.sha256(encode(_blanked(verdict.package, "package")))
    return digest.digest()


def _blanked(value: Any, name: str) -> Any:
    if isinstance(value, RiskStatement):
        book = msgspec.msgpack.decode(value.rules, type=Rulebook)
        return [_blanked(getattr(value, each), each) for each in _said_fields(value) if each != "rules"] + [
            encode(book)
        ]
    if isinstance(value, msgspec.Struct):
        return [_blanked(getattr(value, each), each) for each in _said_fields(value)]
    if isinstance(value, tuple):
        return [_blanked(each, name) for each in value]
    return value


def _said_fields(value: msgspec.Struct) -> list[str]:
    left_out = UNSAID.get(type(value).__name__, ())
    return [each for each in value.__struct_fields__ if each not in left_out]
