"""The tables inside the pages of `docs/specification`: computed from the code, between marks in a page written by hand.

Rule: a page has the line `<!-- table: NAME -->`, a table, and the line `<!-- end -->`. `python -m docs.generate` writes
the table again; a test fails when it differs. Prose is never touched. Transcripts are recorded from the functions that
draw the challenges, header words from the header's own bytes.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec

from clearing.base import header as headers
from clearing.base.certificate import VoteKind
from clearing.base.evm.storage import BalanceOrder
from clearing.base.header import DepositCursor, Header
from clearing.base.plain_text import SHOWN
from clearing.margin.statement.rulebook import Rulebook
from clearing.margin.statement.snapshot import RowKind, SlotKind
from clearing.pricing import elementary
from clearing.schema.risk.price_ranges import RangeParameters
from clearing.schema.terms.assets import Feed
from clearing.schema.terms.default import FundSizing
from clearing.schema.terms.genesis import AccountKind, Genesis
from clearing.schema.terms.instruments import InstrumentKind
from docs import check_tables, signing_page
from docs.specification_limits import LIMITS
from docs.wire_tables import enumeration, power_text, structure, structures_in, tags
from proofs.algebra.group import POINT_BYTES
from proofs.algebra.transcript import Transcript
from proofs.cover import terms, verifier
from proofs.cover.terms import CoverStatement
from proofs.epoch import house_solvency, matched_book
from proofs.epoch.package import EpochPackage
from proofs.linear import messages
from proofs.linear.layout import LayoutTable, SlotRange, lay_out
from proofs.linear.statement import LinearStatement
from proofs.linear.verifier import PROTOCOL as BATCH_PROTOCOL
from proofs.onchain.file import OnchainAccount, OnchainEpoch
from proofs.statement.custody import CustodyAssurance
from proofs.statement.kinds import ROW_KINDS, SLOT_KINDS
from proofs.verify.signed_inclusion import SignedInclusion

FOLDER = Path(__file__).resolve().parent / "specification"
MARK = re.compile(r"(<!-- table: ([\w:. -]+) -->\n).*?(<!-- end -->\n)", re.DOTALL)
STRUCTURES = structures_in(
    EpochPackage, Rulebook, Feed, RangeParameters, LayoutTable, SignedInclusion, OnchainEpoch, OnchainAccount, Genesis
)
ENUMERATIONS = (VoteKind, InstrumentKind, BalanceOrder, CustodyAssurance, AccountKind, FundSizing)
_POINT, _CONTEXT = bytes(POINT_BYTES), bytes(32)
_SERIES = {"exp": elementary.EXP_SERIES, "atanh": elementary.ATANH_SERIES, "mills": elementary.MILLS_SERIES}


def filled(page: str) -> str:
    """The page with every table as the code has it. Raises KeyError for a table of another name."""
    return MARK.sub(lambda found: f"{found[1]}\n{TABLES[found[2]]()}\n\n{found[3]}", page)


def pages() -> dict[str, Path]:
    """The pages of the specification, by name."""
    return {f"specification/{path.name}": path for path in sorted(FOLDER.glob("*.md"))}


def drifted() -> list[str]:
    """Pages whose tables differ from the code."""
    texts = {name: path.read_text(encoding="utf-8") for name, path in pages().items()}
    return [name for name, text in texts.items() if filled(text) != text]


def write() -> None:
    """Write all tables again."""
    for path in pages().values():
        path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")


def _slots() -> str:
    head = "| kind | number | width | offset | range of the value | total published | since format |"
    rows = [head, "|---|---:|---:|---:|---|---|---:|"]
    for kind in SLOT_KINDS.values():
        span = f"[{power_text(-kind.offset)}, {power_text(256**kind.width - kind.offset - 1)}]"
        cells = (
            f"`{SlotKind(kind.number).name}`",
            kind.number,
            kind.width,
            power_text(kind.offset),
            span,
            "yes" if kind.public else "no",
            kind.since,
        )
        rows.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(rows)


def _rows() -> str:
    rows = ["| kind | number | width | range of the value | since format |", "|---|---:|---:|---|---:|"]
    for kind in ROW_KINDS.values():
        span = f"[0, {power_text(256**kind.width - 1)}]" if kind.width else "0"
        rows.append(f"| `{RowKind(kind.number).name}` | {kind.number} | {kind.width} | {span} | {kind.since} |")
    return "\n".join(rows)


def _header_words() -> str:
    """Which fields each word follows from: those whose change changes it."""
    zero, one = bytes(32), b"\1" * 32
    plain = Header(zero, zero, 0, 0, zero, (), zero, 0, zero, 0, zero, 0, zero, zero, ())
    others: dict[str, Any] = {"module_roots": (one,), "deposit_cursors": (DepositCursor(1, bytes(20), 1),)}
    follows: list[list[str]] = [[] for _ in range(len(plain.words) // 32)]
    for name in Header.__struct_fields__:
        value = getattr(plain, name)
        changed = others.get(name, 1 if isinstance(value, int) else one)
        words = msgspec.structs.replace(plain, **{name: changed}).words
        for place in range(len(follows)):
            if words[32 * place : 32 * place + 32] != plain.words[32 * place : 32 * place + 32]:
                follows[place].append(name)
    hashed = {"module_roots": headers.STATE_TAG, "deposit_cursors": headers.DEPOSITS_TAG}
    rows = ["| word | bytes | content |", "|---:|---|---|"]
    for place, names in enumerate(follows):
        content = ", ".join(
            f"hash of `{name}` under `{hashed[name]}`" if name in hashed else f"`{name}`" for name in names
        )
        content = content or f"SHA-256 of `{headers.HEADER_TAG}`"
        rows.append(f"| {place} | {32 * place}–{32 * place + 31} | {content} |")
    return "\n".join(rows)


@contextmanager
def _recorded() -> Iterator[list[tuple[str, str, str, int]]]:
    """Records what transcripts absorb: (protocol, label, type, bytes)."""
    items: list[tuple[str, str, str, int]] = []
    protocols: dict[int, str] = {}
    begin, absorb = Transcript.__init__, Transcript._absorb  # noqa: SLF001 - what every appender calls

    def starting(self: Transcript, protocol: str) -> None:
        protocols[id(self)] = protocol
        begin(self, protocol)

    def absorbing(self: Transcript, label: str, kind: str, data: bytes) -> None:
        items.append((protocols[id(self)], label, kind, len(data)))
        absorb(self, label, kind, data)

    with mock.patch.object(Transcript, "__init__", starting), mock.patch.object(Transcript, "_absorb", absorbing):
        yield items


def _linear_transcript() -> str:
    """Of one account and one column, with the repetitions stated."""
    layout = lay_out(256, (SlotRange(8, 0),), ())
    with _recorded() as items:
        transcript = LinearStatement(layout, _CONTEXT, (0,), (0,), (_POINT,)).transcript()
        messages.after_digits(transcript, [[_POINT]], _POINT)
        messages.after_lookups(transcript, [[_POINT]])
        messages.after_sum(transcript, _POINT)
        messages.after_quotient(transcript, _POINT, _POINT)
        messages.after_evaluations(transcript, [[0]], 0)
        messages.after_openings(transcript, _POINT, _POINT)
    return _items(items)


def _book_transcript() -> str:
    with _recorded() as items:
        matched_book._challenge(Transcript("joint proof"), (0,), ((0, 0),), _POINT)  # noqa: SLF001 - the order itself
    return _items(items)


def _link_transcript() -> str:
    cover = CoverStatement.__new__(CoverStatement)
    object.__setattr__(cover, "members", (0,))
    object.__setattr__(cover, "uncovered", (0,))
    with _recorded() as items:
        own = verifier.begin_link(Transcript("joint proof"))
        verifier.draw_weights(cover, own)
        verifier.after_running_sum(own, _POINT, _POINT)
        verifier.after_openings(own, 0, _POINT, _POINT)
    return _items(items)


REPEATED = {
    "account": "once an account, before its `sigma`",
    "sigma": "once an account",
    "C_W": "once an account, after its `sigma`",
    "C_D": "once an account and column: all columns of the first account, then of the second, and so on",
    "C_f": "once an account and column, in the same order",
    "D(zeta)": "once an account and column, in the same order",
    "auxiliary": "once an auxiliary slot",
    "slot": "once a total, before it",
    "total": "once a slot",
}


def _items(items: list[tuple[str, str, str, int]]) -> str:
    rows = [
        f"Protocol: `{items[0][0]}`.",
        "",
        "| order | label | type | bytes | how often |",
        "|---:|---|---|---:|---|",
    ]
    for place, (_, label, kind, size) in enumerate(items, start=1):
        often = REPEATED.get(label, "once")
        rows.append(f"| {place} | `{label}` | `{kind}` | {size} | {often} |")
    return "\n".join(rows)


def _forks() -> str:
    named = (
        (matched_book.PROTOCOL, "the book's challenge", "joint proof"),
        (terms.PROTOCOL, "context of the joint proof over the stress vectors", "joint proof"),
        (verifier.PROTOCOL, "the link's challenges", "joint proof over the stress vectors"),
        (terms.BACKING_PROTOCOL, "context of the fund's backing", "joint proof"),
        (house_solvency.PROTOCOL, "context of the house's proof", "joint proof"),
    )
    rows = ["| protocol | gives | parent |", "|---|---|---|"]
    rows += [f"| `{protocol}` | {gives} | {parent} |" for protocol, gives, parent in named]
    rows.append(f"| `{BATCH_PROTOCOL}` | the weights of a batch | none |")
    return "\n".join(rows)


def _limits() -> str:
    rows = ["| limit | value | constant |", "|---|---:|---|"]
    rows += [f"| {limit.what} | {limit.text} | `{limit.name}` |" for limit in LIMITS]
    return "\n".join(rows)


def _shown() -> str:
    rows = ["| from | to |", "|---|---|"]
    rows += [f"| U+{first:04X} | U+{last:04X} |" for first, last in SHOWN]
    return "\n".join(rows)


def _series(name: str) -> str:
    rows = ["| power | decimal | IEEE 754 binary64, hexadecimal |", "|---:|---|---|"]
    rows += [f"| {power} | {value!r} | `{value.hex()}` |" for power, value in enumerate(_SERIES[name])]
    return "\n".join(rows)


def _constants() -> str:
    names = ("LOG2_E", "LN2_HIGH", "LN2_LOW", "SQRT_HALF", "SQRT_TWO", "INVERSE_SQRT_TWO_PI")
    rows = ["| constant | decimal | IEEE 754 binary64, hexadecimal |", "|---|---|---|"]
    for name in names:
        value: float = getattr(elementary, name)
        rows.append(f"| `{name}` | {value!r} | `{value.hex()}` |")
    return "\n".join(rows)


TABLES: dict[str, Callable[[], str]] = {
    **{f"structure {kind.__name__}": lambda kind=kind: structure(kind) for kind in STRUCTURES},  # type: ignore[misc]
    **{f"numbers {kind.__name__}": lambda kind=kind: enumeration(kind) for kind in ENUMERATIONS},  # type: ignore[misc]
    **{f"series {name}": lambda name=name: _series(name) for name in _SERIES},  # type: ignore[misc]
    "constants": _constants,
    "slots": _slots,
    "rows": _rows,
    "header words": _header_words,
    "transcript linear": _linear_transcript,
    "transcript book": _book_transcript,
    "transcript link": _link_transcript,
    "forks": _forks,
    "tags": tags,
    "limits": _limits,
    "plain text": _shown,
    "checks": check_tables.checks,
    "standalone checks": check_tables.standalone_checks,
    "codes": check_tables.codes,
    "signed requests": signing_page.request_sections,
}
