"""The kinds of slots and rows: the one table of what a statement can say of a number.

Rule: a kind has a number, a name, a range, and the package format in which it came; none of them ever changes. A new
term of risk is a new kind at the end, and no new format: a verifier refuses a kind that it does not know, naming it,
and verifies every older package.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from clearing.base.known_types import known_type
from clearing.margin.statement.snapshot import RiskStatement, RowKind, SlotKind
from proofs.errors import ProofCode, VerificationFailed

FIRST_FORMAT = 2


@dataclass(frozen=True)
class Kind:
    """One kind. A value v lies in [-offset, 256^width - offset); width 0 of a row: v = 0."""

    number: int
    name: str
    width: int
    """Digits of base 256."""
    offset: int
    public: bool = False
    """Whether the sum over all accounts is published."""
    since: int = FIRST_FORMAT


def _table(*kinds: Kind) -> Mapping[int, Kind]:
    return {kind.number: kind for kind in kinds}


SLOT_KINDS = _table(
    Kind(SlotKind.CASH, "cash", 8, 2**63, public=True),
    Kind(SlotKind.TOKEN, "token", 7, 0, public=True),
    Kind(SlotKind.POSITION, "position", 5, 2**39, public=True),
    Kind(SlotKind.GROUP_MAX, "group_max", 8, 0),
    Kind(SlotKind.AUXILIARY, "auxiliary", 8, 0),
    Kind(SlotKind.AUXILIARY_SIGNED, "auxiliary_signed", 8, 2**63),
    Kind(SlotKind.UNCOVERED, "uncovered", 8, 0),
    Kind(SlotKind.NET_CHARGE, "net_charge", 8, 0),
    Kind(SlotKind.HISTORICAL, "historical", 8, 0),
)
ROW_KINDS = _table(Kind(RowKind.AT_LEAST_ZERO, "at_least_zero", 8, 0), Kind(RowKind.EQUAL_ZERO, "equal_zero", 0, 0))
TABLES = {"slots": SLOT_KINDS, "rows": ROW_KINDS}
"""By the field of a statement."""


def check_kinds_known(statement: bytes) -> None:
    """Refuse a statement, as it is encoded, with a slot or row of an unknown kind.

    Raises VerificationFailed UNKNOWN_KIND naming slot or row and number; says nothing of bytes that are malformed in
    another way.
    """
    try:
        fields = msgspec.msgpack.decode(statement, type=known_type(list[msgspec.Raw]))
        found = [(part, each.name, each.kind) for part in TABLES for each in _items(part, fields)]
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, IndexError):
        return
    for part, name, number in found:
        if number not in TABLES[part]:
            known = ", ".join(f"{kind.number} {kind.name}" for kind in TABLES[part].values())
            raise VerificationFailed(
                ProofCode.UNKNOWN_KIND, f"{part[:-1]} of kind {number}", name=name[:64], known=known
            )


class _AnySlot(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A slot of any kind; its last field may be left out, as in a `Slot`. Only read, so it is no `Wire`."""

    name: str
    kind: int
    group: int = 0


class _AnyRow(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A row of any kind, likewise; its coefficients stay as they were encoded."""

    name: str
    kind: int
    coefficients: msgspec.Raw
    constant: int = 0
    shortfall: bool = False


def _items(part: str, fields: Sequence[msgspec.Raw]) -> Sequence[_AnySlot | _AnyRow]:
    """The slots or rows of an encoded statement."""
    encoded = fields[RiskStatement.__struct_fields__.index(part)]
    if part == "slots":
        return msgspec.msgpack.decode(encoded, type=known_type(list[_AnySlot]))
    return msgspec.msgpack.decode(encoded, type=known_type(list[_AnyRow]))
