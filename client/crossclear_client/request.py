"""What every signed request has: its fields, canonical bytes, id, JSON body, typed data and digest.

Rule: written from docs/specification/signing.md alone. A value out of its field's bounds is refused before anything is
signed. Nothing here needs a network.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import msgspec

from crossclear_client import typed_data
from crossclear_client.errors import BadField

HOUSE_PROPOSER = 2**32 - 1
_WHOLE = re.compile("-?(0|[1-9][0-9]*)", re.ASCII)


class Field(NamedTuple):
    """One field, in the order of the canonical array."""

    name: str
    json: str
    kind: str
    low: int | None
    high: int | None
    signed_as: str = ""
    """EIP-712 type and name."""
    is_signature: bool = False
    names: Mapping[str, int] = {}
    """Of an enumeration."""


class Item(msgspec.Struct, frozen=True):
    """An element of a list in a request."""

    FIELDS: ClassVar[tuple[Field, ...]]


class Request(msgspec.Struct, frozen=True):
    """Base of all requests."""

    TYPE: ClassVar[str]
    TAG: ClassVar[int]
    DECLARATION: ClassVar[str]
    HASH_TAGS: ClassVar[tuple[str, ...]]
    FIELDS: ClassVar[tuple[Field, ...]]

    @property
    def canonical(self) -> bytes:
        """The canonical bytes. Raises BadField."""
        return _pack((self.TAG, *_values(self)))

    @property
    def id(self) -> str:
        """What a node calls `hash`: it depends on every byte, signatures included."""
        return "0x" + hashlib.sha256(b"\x91" + self.canonical).hexdigest()

    def body(self) -> dict[str, Any]:
        """The JSON body, as `/v1/submit` takes it. Raises BadField."""
        _values(self)
        return {"type": self.TYPE, **_json(self)}

    def typed_data(self, network: bytes) -> dict[str, Any]:
        """What a wallet is asked to sign (`eth_signTypedData_v4`). Raises BadField; TypeError where validators sign."""
        return typed_data.for_wallet(network, self.DECLARATION, self.signed_values(network))

    def digest(self, network: bytes) -> bytes:
        """The 32 bytes that every signature is over. Raises BadField."""
        if self.HASH_TAGS and not self._by_house:
            return self._validators_digest(network)
        return typed_data.digest(network, self.DECLARATION, self.signed_values(network))

    @property
    def _by_house(self) -> bool:
        return getattr(self, "proposer", None) == HOUSE_PROPOSER

    def signed_values(self, network: bytes) -> tuple[Any, ...]:
        """The values that `DECLARATION` declares, in its order. Raises BadField; TypeError where validators sign."""
        _values(self)
        if self._by_house:
            return self._content(network), getattr(self, "not_after_ms", 0)
        if not self.DECLARATION or self.HASH_TAGS:
            raise TypeError(f"{type(self).__name__} is signed by validators")
        by_name = {field.signed_as.partition(" ")[2]: field for field in self.FIELDS if field.signed_as}
        names = [name for _, name in typed_data.fields_of(self.DECLARATION)]
        return tuple(_signed_value(by_name[name], getattr(self, by_name[name].name)) for name in names)

    def _validators_digest(self, network: bytes) -> bytes:
        if self.TYPE == "governance_proposal":
            return self._content(network)
        values = _values(self)
        if self.TYPE == "governance_vote":
            return tagged(self.HASH_TAGS[0], network, _pack(values[:-1]))
        return tagged(self.HASH_TAGS[0], network, _pack((self.TAG, *values[:-1], ())))

    def _content(self, network: bytes) -> bytes:
        """The id of a proposal."""
        proposer, amendment, reason, not_after_ms, _ = (getattr(self, field.name) for field in self.FIELDS)
        amendment_hash = tagged(self.HASH_TAGS[1], network, amendment)
        return tagged(self.HASH_TAGS[0], network, _pack((proposer, amendment_hash, reason, not_after_ms)))


def submission(requests: tuple[Request, ...]) -> bytes:
    """The body of `/v1/submit` as `application/msgpack`."""
    return _pack((tuple((each.TAG, *_values(each)) for each in requests),))


def tagged(tag: str, *parts: bytes) -> bytes:
    """SHA-256 with a domain tag."""
    return hashlib.sha256(hashlib.sha256(tag.encode()).digest() + b"".join(parts)).digest()


def _pack(value: Any) -> bytes:
    return msgspec.msgpack.encode(value)


def _values(of: Request | Item) -> tuple[Any, ...]:
    """The items of the canonical array, checked."""
    return tuple(_value(field, getattr(of, field.name)) for field in of.FIELDS)


def _value(field: Field, value: Any) -> Any:
    match field.kind:
        case "integer" | "amount":
            if type(value) is not int or not (field.low or 0) <= value <= (field.high or 0):
                raise BadField(field.name, f"{field.name} is not a whole number in [{field.low}, {field.high}]")
            return value
        case "boolean":
            if type(value) is not bool:
                raise BadField(field.name, f"{field.name} is not a boolean")
            return value
        case "bytes":
            if type(value) is not bytes or not _fits(field, len(value)):
                raise BadField(field.name, f"{field.name} is not {field.low} to {field.high} bytes")
            return value
        case "text":
            if type(value) is not str or len(value.encode()) > (field.high or 0):
                raise BadField(field.name, f"{field.name} is not a text of at most {field.high} bytes")
            return value
        case "enumeration":
            if value not in field.names:
                raise BadField(field.name, f"{field.name} is none of {', '.join(field.names)}")
            return field.names[value]
        case "canonical":
            return msgspec.Raw(value)
    if not (field.low or 0) <= len(value) <= (field.high if field.high is not None else len(value)):
        raise BadField(field.name, f"{field.name} does not have {field.low} to {field.high} items")
    return tuple(each if isinstance(each, bytes) else _values(each) for each in value)


def _fits(field: Field, size: int) -> bool:
    """A signature that was not made yet is empty, and then not submitted."""
    return (field.low or 0) <= size <= (field.high or size) or (field.is_signature and not size)


def _signed_value(field: Field, value: Any) -> Any:
    if field.kind == "enumeration":
        return field.names[value]
    if field.kind in ("structures", "bytes list"):
        return typed_data.keccak256(_pack(_value(field, value)))
    return value


def _json(of: Request | Item) -> dict[str, Any]:
    return {field.json: _shown(field, getattr(of, field.name)) for field in of.FIELDS}


def _shown(field: Field, value: Any) -> Any:
    if field.kind == "amount":
        return str(value)
    if isinstance(value, bytes):
        return "0x" + value.hex() if value else ""
    if isinstance(value, tuple):
        return ["0x" + each.hex() if isinstance(each, bytes) else _json(each) for each in value]
    return value


def request_of(body: Mapping[str, Any], kinds: tuple[type[Request], ...]) -> Request:
    """The request of a JSON body, such as a trade that the other side has signed. `kinds`: `requests.KINDS`.

    Raises BadField for an unknown type, and for a field that is missing, unknown or of another form.
    """
    kind = next((each for each in kinds if body.get("type") == each.TYPE), None)
    if kind is None:
        raise BadField("type", "no kind of request has this type")
    request: Request = _read(kind, {name: value for name, value in body.items() if name != "type"})
    _values(request)
    return request


def _read(kind: Any, body: Mapping[str, Any]) -> Any:
    fields = {field.json: field for field in kind.FIELDS}
    unknown = body.keys() - fields.keys()
    missing = [name for name, field in fields.items() if name not in body and not field.is_signature]
    if unknown or missing:
        raise BadField(", ".join(sorted(unknown) or missing), f"{kind.__name__} lacks a field or has one too many")
    try:
        values = {field.name: _from_json(kind, field, body[name]) for name, field in fields.items() if name in body}
    except (ValueError, TypeError, AttributeError) as error:
        raise BadField(kind.__name__, str(error)[:200]) from None
    return kind(**values)


def _item_of(kind: Any, field: Field) -> Any:
    """The class of a list's items."""
    found: Any = next(each.type for each in msgspec.structs.fields(kind) if each.name == field.name)
    return found.__args__[0]


def _from_json(kind: Any, field: Field, value: Any) -> Any:
    if field.kind == "amount":
        if _WHOLE.fullmatch(value) is None:
            raise ValueError(f"{field.json} is not a whole number as a string")
        return int(value)
    if field.kind in ("bytes", "canonical"):
        return bytes.fromhex(value.removeprefix("0x"))
    if field.kind == "bytes list":
        return tuple(bytes.fromhex(each.removeprefix("0x")) for each in value)
    if field.kind == "structures":
        item = _item_of(kind, field)
        return tuple(_read(item, each) for each in value)
    return value
