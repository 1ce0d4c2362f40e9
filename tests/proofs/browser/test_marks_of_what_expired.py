"""Marks beside an expiry and an averaging window: three verifiers draw the bounds at the same tick and millisecond."""

from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import product

import msgspec
import pytest

from clearing.base.codec import encode, u256
from clearing.margin.statement.rulebook import AverageSoFar, MarkPrice, Rulebook
from clearing.schema.terms.instruments import InstrumentKind
from proofs.verify.standalone import verify_standalone
from tests.kit.proofs.both_verifiers import PROOF, second_answer
from tests.kit.proofs.every_field import Mutated, file_under, taken_as_proven
from tests.kit.proofs.file_answers import of_verdict
from tests.kit.proofs.named_bases import base_of
from tests.kit.proofs.second_verifier import SecondVerifier
from tests.vectors.proofs.without_pairings import answer_of_text

replace = msgspec.structs.replace
KINDS = tuple(InstrumentKind[name] for name in ("PUT", "CALL", "FUTURE", "FORWARD"))
WINDOW_MS = 7_200_000
LEFT_MS = (-WINDOW_MS - 1, -WINDOW_MS, -1, 0, 1, WINDOW_MS // 2, WINDOW_MS - 1, WINDOW_MS, WINDOW_MS + 1)
"""From the valuation to the expiry."""
PLACE, ID, STRIKE = 1, 2, 750_000
"""The instrument that is another one each time, and its strike."""
EVERY = 41
"""Of the cases, one in so many is in the suite."""


def books() -> Iterator[tuple[str, Rulebook, int]]:
    """Each kind at each time, with and without window, curve and average, and marks at the edges of its bounds."""
    base = msgspec.msgpack.decode(base_of("expired").data)
    book = msgspec.msgpack.decode(base[6][12], type=Rulebook)
    for kind, left_ms, window_ms, curved in product(KINDS, LEFT_MS, (0, WINDOW_MS), (True, False)):
        begun_ms = window_ms - left_ms
        has_average = kind in KINDS[:2] and window_ms and begun_ms > 0
        for averaged, ticks in product((False, True)[: 1 + bool(has_average)], edges(book, window_ms, left_ms)):
            averages = (AverageSoFar(ID, u256(700_000 * begun_ms), begun_ms),) if averaged else ()
            made = with_mark(book, ticks, averages, curved=curved)
            one = replace(
                made.instruments[PLACE],
                kind=kind,
                strike_ticks=STRIKE if kind in KINDS[:2] else 0,
                expiry_ms=book.time_ms + left_ms,
                averaging_ms=window_ms,
            )
            listed = (*made.instruments[:PLACE], one, *made.instruments[PLACE + 1 :])
            what = f"{kind.name} {left_ms} ms left, window {window_ms}, {curved=}, {averaged=}, mark {ticks}"
            yield what, replace(made, instruments=listed), ticks


def with_mark(book: Rulebook, ticks: int, averages: tuple[AverageSoFar, ...], *, curved: bool) -> Rulebook:
    """With this mark and average of the one instrument, and the curve of the first group or none."""
    first, *others = book.parameters.groups
    groups = (first if curved else replace(first, curve=()), *others)
    return replace(
        book,
        parameters=replace(book.parameters, groups=groups),
        marks=tuple(MarkPrice(ID, ticks) if mark.instrument == ID else mark for mark in book.marks),
        averages=tuple(sorted((*averages, *book.averages), key=lambda each: each.instrument)),
    )


def edges(book: Rulebook, window_ms: int, left_ms: int) -> list[int]:
    """Ticks on both sides of what any bound may be."""
    index = book.index[1]
    left = index * min(max(left_ms, 0), window_ms) // window_ms if window_ms else index
    bounds = (0, left, index, STRIKE, 2 * STRIKE)
    return sorted({each for bound in bounds for each in (bound - 1, bound, bound + 1) if each >= 0} | {10**9})


@cache
def cases() -> list[tuple[str, Rulebook, int]]:
    return list(books())


def answers(second: SecondVerifier, what: str, book: Rulebook) -> list[tuple[str, str]]:
    """(check, code) that refuses, of the three verifiers."""
    base = base_of("expired")
    file: Mutated = file_under(base, msgspec.msgpack.decode(encode(book)), what)
    asked = {"file": file.data, "standalone": PROOF, "brief": True, "signed": list(file.signed)}
    second.send(**asked)
    with taken_as_proven():
        first = of_verdict(verify_standalone(PROOF, file.data))
    found = [first, second_answer(second.receive()), answer_of_text(PROOF, file.data)]
    return [(each.check, each.code) for each in found[:2]] + [(found[2].check, first.code)]


def judged(second: SecondVerifier, chosen: list[tuple[str, Rulebook, int]]) -> Counter[str]:
    """How often each check refused; all agree."""
    seen: Counter[str] = Counter()
    for what, book, _ in chosen:
        first, *others = answers(second, what, book)
        assert others == [first, first], what
        seen[first[0]] += 1
    return seen


def test_three_verifiers_bound_marks_beside_an_expiry_alike(second: SecondVerifier) -> None:
    chosen = cases()[::EVERY]
    seen = judged(second, chosen)
    assert set(seen) == {"rules", "listed"}, seen
    assert min(seen.values()) > 5


@pytest.mark.parametrize(("kind", "highest"), [(KINDS[0], 2 * STRIKE), (KINDS[1], None)])
def test_the_mark_of_an_expired_option_has_the_bound_of_its_kind(kind: InstrumentKind, highest: int | None) -> None:
    found = {}
    for what, book, ticks in cases():
        if what.startswith(f"{kind.name} -1 ms left, window 0"):
            file = file_under(base_of("expired"), msgspec.msgpack.decode(encode(book)), what)
            with taken_as_proven():
                found[ticks] = verify_standalone(PROOF, file.data).failed == "listed"
    assert {ticks for ticks, good in found.items() if not good} == {
        ticks for ticks in found if highest is not None and ticks > highest
    }
