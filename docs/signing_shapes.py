"""The shapes of signed requests, read from their structures: fields, canonical types, EIP-712 types, signatures.

Rule: `docs/reference/signing.json`, the tables of `docs/specification/signing.md` and the request classes of the
clients are all made of these shapes, so a new request is in all of them.
"""

import enum
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, get_args

import msgspec
from msgspec import inspect as types

from clearing.base.eip712 import DOMAIN_NAME, DOMAIN_TYPE, DOMAIN_VERSION, TypedRequest
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.requests.governance import (
    AMENDMENT_TAG,
    GOVERNANCE_PROPOSAL_TYPE,
    GOVERNANCE_VOTE_TAG,
    HOUSE_PROPOSER,
    PROPOSAL_TAG,
)
from clearing.schema.requests.validators import CHANGE_TAG
from docs.wire_tables import field_meanings
from member.api.submit import AMOUNTS, BODY_OF
from member.client.authorization import REQUEST_TYPE

KINDS: tuple[Any, ...] = get_args(Transaction)
VALIDATOR_TAGS: Mapping[str, tuple[str, ...]] = {
    "ValidatorChange": (CHANGE_TAG,),
    "GovernanceProposal": (PROPOSAL_TAG, AMENDMENT_TAG),
    "GovernanceVote": (GOVERNANCE_VOTE_TAG,),
}
"""Requests that validators sign: tags of the hashes."""


class Plain(msgspec.Struct, frozen=True, omit_defaults=True):
    """Base of what is written as JSON."""


class FieldShape(Plain, frozen=True, kw_only=True):
    """One field of a request, in the order of its canonical array."""

    name: str
    json: str
    """Its name in the body that `/v1/submit` takes."""
    kind: str
    """`integer`, `amount`, `boolean`, `bytes`, `text`, `enumeration`, `structures`, `bytes list` or `canonical`."""
    low: int | None = None
    high: int | None = None
    """Of an integer or amount; of bytes and lists: the number of bytes or items."""
    names: Mapping[str, int] = {}
    """Of an enumeration."""
    structure: str = ""
    """Of a list of structures: the name of the structure."""
    signed_as: str = ""
    """EIP-712 type and name, such as `uint64 notAfterMs`; empty for what is not signed so."""
    is_signature: bool = False
    is_optional: bool = False
    """A signature that may be empty."""
    meaning: str = ""


class RequestShape(Plain, frozen=True, kw_only=True):
    """One kind of request."""

    name: str
    type: str
    """The value of `type` in its JSON body."""
    tag: int
    """The first item of its canonical array."""
    meaning: str
    signed_by: str
    declaration: str = ""
    """Its EIP-712 type; empty where validators alone sign it."""
    hash_tags: tuple[str, ...] = ()
    """Where validators sign it: tags of the hashes."""
    fields: tuple[FieldShape, ...]


class Signing(Plain, frozen=True, kw_only=True):
    """All that a signer needs."""

    domain_type: str
    domain_name: str
    domain_version: str
    api_request: str
    house_proposer: int
    requests: tuple[RequestShape, ...]
    structures: Mapping[str, tuple[FieldShape, ...]]


@cache
def signing() -> Signing:
    """The whole description."""
    structures: dict[str, tuple[FieldShape, ...]] = {}
    requests = tuple(_request(kind, structures) for kind in KINDS)
    return Signing(
        domain_type=DOMAIN_TYPE.decode(),
        domain_name=DOMAIN_NAME,
        domain_version=DOMAIN_VERSION,
        api_request=REQUEST_TYPE,
        house_proposer=HOUSE_PROPOSER,
        requests=requests,
        structures=structures,
    )


def declaration_of(kind: Any) -> str:
    """The EIP-712 type of a kind of request; empty for what validators alone sign."""
    if issubclass(kind, TypedRequest):
        return str(kind.SIGNED)
    return GOVERNANCE_PROPOSAL_TYPE if kind.__name__ == "GovernanceProposal" else ""


def _request(kind: Any, structures: dict[str, tuple[FieldShape, ...]]) -> RequestShape:
    info = types.type_info(kind)
    if not isinstance(info, types.StructType) or not isinstance(info.tag, int):
        raise TypeError(kind)
    declaration, meanings = declaration_of(kind), field_meanings(kind)
    signed = _signed_names(declaration) if issubclass(kind, TypedRequest) else {}
    body: Any = BODY_OF[kind]
    in_json = dict(zip(kind.__struct_fields__, body.__struct_fields__, strict=True))
    return RequestShape(
        name=kind.__name__,
        type=str(body.__struct_config__.tag),
        tag=info.tag,
        meaning=first_sentence(kind.__doc__),
        signed_by=meanings.get("SIGNED", "Signed by validators."),
        declaration=declaration,
        hash_tags=VALIDATOR_TAGS.get(kind.__name__, ()),
        fields=_fields(info, in_json, signed, structures),
    )


def _fields(
    info: types.StructType,
    in_json: Mapping[str, str],
    signed: Mapping[str, str],
    structures: dict[str, tuple[FieldShape, ...]],
) -> tuple[FieldShape, ...]:
    meanings = field_meanings(info.cls)
    return tuple(
        msgspec.structs.replace(
            _field(field.name, field.type, structures),
            json=in_json.get(field.name, field.name),
            signed_as=signed.get(field.name, ""),
            meaning=meanings.get(field.name, ""),
        )
        for field in info.fields
    )


def _field(name: str, info: types.Type, structures: dict[str, tuple[FieldShape, ...]]) -> FieldShape:
    """A field by its canonical type."""
    if isinstance(info, types.Metadata):
        info = info.type
    if isinstance(info, types.IntType):
        kind = "amount" if name in AMOUNTS else "integer"
        return FieldShape(name=name, json=name, kind=kind, low=info.ge, high=info.le)
    if isinstance(info, types.BoolType):
        return FieldShape(name=name, json=name, kind="boolean")
    if isinstance(info, types.BytesType):
        low = info.min_length or 0
        signature = name.endswith("signature")
        return FieldShape(
            name=name,
            json=name,
            kind="bytes",
            low=low,
            high=info.max_length,
            is_signature=signature,
            is_optional=signature and not low,
        )
    if isinstance(info, types.StrType):
        return FieldShape(name=name, json=name, kind="text", high=info.max_length)
    if isinstance(info, types.EnumType) and issubclass(info.cls, enum.IntEnum):
        return FieldShape(
            name=name,
            json=name,
            kind="enumeration",
            names={each.name.lower(): each.value for each in info.cls},
        )
    if isinstance(info, types.UnionType):
        return FieldShape(name=name, json=name, kind="canonical")
    if isinstance(info, types.VarTupleType):
        return _list(name, info, structures)
    raise TypeError(f"{name}: {info}")


def _list(name: str, info: types.VarTupleType, structures: dict[str, tuple[FieldShape, ...]]) -> FieldShape:
    item = info.item_type.type if isinstance(info.item_type, types.Metadata) else info.item_type
    low, high = info.min_length or 0, info.max_length
    if isinstance(item, types.StructType):
        structures[item.cls.__name__] = _fields(item, {}, {}, structures)
        return FieldShape(name=name, json=name, kind="structures", low=low, high=high, structure=item.cls.__name__)
    if isinstance(item, types.BytesType):
        return FieldShape(name=name, json=name, kind="bytes list", low=low, high=high)
    raise TypeError(f"{name}: {item}")


def _signed_names(declaration: str) -> dict[str, str]:
    """Field to its EIP-712 type and name."""
    pairs = [each.split(" ") for each in declaration[declaration.index("(") + 1 : -1].split(",")]
    return {re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", name): f"{kind} {name}" for kind, name in pairs}


def first_sentence(doc: str | None) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join((doc or "").strip().split("\n\n")[0].split())
