"""What a member submits: JSON bodies of requests and collateral events, the signed requests behind them, the answers.

Rule: a body has the fields of its wire type, in plain JSON: amounts as decimal strings, ids and times as numbers,
bytes as hex with 0x, an enumeration as its name in lower case. The bodies of the later kinds are made from the wire
types, so they cannot drift; a signature that is not given may be left out.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, Union, cast, get_args

import msgspec
from msgspec import Meta

from clearing.base.codec import Wire, decode, encode
from clearing.base.errors import RemoteFault
from clearing.base.known_types import known_type
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.requests.accounts import CashTransfer
from clearing.schema.requests.governance import AMENDMENT_BYTES_MAX
from clearing.schema.requests.trades import Trade
from clearing.schema.requests.withdrawals import Withdrawal
from member.api.types import Address, Body, Decimal, Hash, Id, Natural, Problem, Signature, SmallId

BATCH_TRANSACTIONS_MAX = 100
BODY_BYTES_MAX = 1 << 20
"""Of one transaction; the limits of its kind are judged by the node that takes it."""


class TransactionList(Wire, frozen=True):
    """Transactions alone: what the API takes as MessagePack."""

    transactions: tuple[Transaction, ...]


TRANSACTIONS_MAX = 100


class TradeBody(Body, frozen=True, tag="trade", tag_field="type"):
    """`clearing.schema.requests.trades.Trade`."""

    venue: Id
    venue_trade_id: Id
    buyer: Id
    seller: Id
    instrument: SmallId
    lots: Natural
    price_ticks: Natural
    not_after_ms: Id
    buyer_signature: Signature
    seller_signature: Signature


class WithdrawalBody(Body, frozen=True, tag="withdrawal", tag_field="type"):
    """`clearing.schema.requests.withdrawals.Withdrawal`."""

    account: Id
    asset: SmallId
    amount_units: Natural
    to: Address
    nonce: Id
    not_after_ms: Id
    signature: Signature


class TransferBody(Body, frozen=True, tag="transfer", tag_field="type"):
    """`clearing.schema.requests.accounts.CashTransfer`."""

    account: Id
    recipient: Id
    cash_group: SmallId
    amount_micros: Natural
    nonce: Id
    not_after_ms: Id
    signature: Signature


class SubmitResult(Body, frozen=True):
    """What became of one transaction. `known`: it waited or was decided before; sending again is harmless."""

    hash: Hash
    status: Literal["accepted", "known", "refused"]
    problem: Problem | None = None


class SubmitResults(Body, frozen=True):
    """One for each transaction, in order."""

    results: tuple[SubmitResult, ...]


AMOUNTS = frozenset(
    (
        *("lots", "ticks", "units", "micros", "fee_max", "micros_per_unit", "given_units", "taken_units"),
        *("lots_max", "notional_max", "day_notional_max", "ask_micros"),
    )
)
"""Fields written as decimal strings, because a JSON number cannot represent them all exactly."""
MaybeSignature = Annotated[str, Meta(pattern="^(0x[0-9a-fA-F]{130})?$", description="empty: not given")]
CanonicalBytes = Annotated[
    str, Meta(pattern="^0x([0-9a-fA-F]{2})+$", max_length=2 + 2 * AMENDMENT_BYTES_MAX, description="canonical bytes")
]
"""A union is written as its MessagePack bytes, which are hashed and signed."""
_NAMED_LENGTHS = {20: Address, 65: Signature}
_ODD_NAMES = {CashTransfer: "transfer"}
_FIRST: dict[type, type[Body]] = {Trade: TradeBody, Withdrawal: WithdrawalBody, CashTransfer: TransferBody}
_RENAMED: dict[type, dict[str, str]] = {
    Trade: {"ticks": "price_ticks"},
    Withdrawal: {"units": "amount_units"},
    CashTransfer: {"micros": "amount_micros"},
}
"""The first three kinds call their amounts otherwise."""
_LINES: dict[type, type[Body]] = {}
"""Wire types inside of others, with their bodies."""


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def _of_type(name: str, info: msgspec.inspect.Type) -> Any:
    """The JSON type of a wire field."""
    if isinstance(info, msgspec.inspect.Metadata):
        info = info.type
    if isinstance(info, msgspec.inspect.IntType):
        if name in AMOUNTS:
            return Decimal if info.ge is not None and info.ge < 0 else Natural
        return SmallId if info.le is not None and info.le < 2**32 else Id
    if isinstance(info, msgspec.inspect.BytesType):
        return _of_bytes(info)
    if isinstance(info, msgspec.inspect.BoolType):
        return bool
    if isinstance(info, msgspec.inspect.StrType):
        return Annotated[str, Meta(max_length=info.max_length)]
    if isinstance(info, msgspec.inspect.UnionType):
        return CanonicalBytes
    if isinstance(info, msgspec.inspect.EnumType):
        return Literal[tuple(choice.name.lower() for choice in info.cls)]
    if isinstance(info, msgspec.inspect.VarTupleType) and isinstance(info.item_type, msgspec.inspect.StructType):
        item = _LINES[info.item_type.cls] = _made(info.item_type.cls, tag=None)
        return Annotated[tuple[item, ...], Meta(min_length=info.min_length, max_length=info.max_length)]  # type: ignore[valid-type]
    if isinstance(info, msgspec.inspect.VarTupleType) and isinstance(info.item_type, msgspec.inspect.BytesType):
        item = _of_bytes(info.item_type)
        return Annotated[tuple[item, ...], Meta(max_length=info.max_length)]  # type: ignore[valid-type]
    raise TypeError(f"{name}: no JSON form for {info}")


def _of_bytes(info: msgspec.inspect.BytesType) -> Any:
    """Hex of a fixed length, or a signature that may be left out."""
    if info.min_length is None or info.min_length == 0:
        return MaybeSignature
    if info.min_length != info.max_length:
        return Annotated[str, Meta(pattern=f"^0x([0-9a-fA-F]{{2}}){{{info.min_length},{info.max_length}}}$")]
    if info.min_length in _NAMED_LENGTHS:
        return _NAMED_LENGTHS[info.min_length]
    return Annotated[str, Meta(pattern=f"^0x[0-9a-fA-F]{{{2 * info.min_length}}}$")]


def _made(kind: type, tag: str | None) -> type[Body]:
    info = msgspec.inspect.type_info(known_type(kind))
    if not isinstance(info, msgspec.inspect.StructType):
        raise TypeError(kind)
    fields: list[Any] = []
    for field in info.fields:
        shown = _of_type(field.name, field.type)
        fields.append((field.name, shown, "") if shown is MaybeSignature else (field.name, shown))
    more: dict[str, Any] = {"tag": tag, "tag_field": "type"} if tag else {}
    made = msgspec.defstruct(
        f"{kind.__name__}Body",
        fields,
        bases=(Body,),
        namespace={"__doc__": (kind.__doc__ or "").strip().split("\n")[0]},
        module=__name__,
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
        **more,
    )
    return cast(type[Body], made)


BODY_OF: Mapping[type, type[Body]] = {
    kind: _FIRST.get(kind) or _made(kind, _ODD_NAMES.get(kind, _snake(kind.__name__))) for kind in get_args(Transaction)
}
"""Wire type to body type."""
_KIND_OF = {body: kind for kind, body in BODY_OF.items()}

if TYPE_CHECKING:
    TransactionBody: TypeAlias = Body
else:
    TransactionBody = Union[tuple(BODY_OF.values())]  # noqa: UP007 - made of a list


class SubmitBody(Body, frozen=True):
    """Signed transactions, checked one by one."""

    transactions: Annotated[tuple[TransactionBody, ...], Meta(min_length=1, max_length=TRANSACTIONS_MAX)]


def transaction_of(body: Body) -> Transaction:
    """The wire transaction that a JSON body describes.

    Raises msgspec.ValidationError for what no peer could decode: numbers beyond 63 bits, too few of something.
    """
    kind = _KIND_OF[type(body)]
    renamed: dict[str, str] = _RENAMED.get(kind) or {}

    def value_of(name: str) -> Any:
        return getattr(body, renamed.get(name) or name)

    made = _wire(kind, value_of)
    try:
        # A body's types don't have every bound of the wire's, and making a value checks none.
        return cast(Transaction, decode(encode(made), kind, BODY_BYTES_MAX))
    except RemoteFault as fault:
        raise msgspec.ValidationError(str(fault)) from None


def body_of(transaction: Transaction) -> Body:
    """The JSON body of a wire transaction, for clients."""
    kind = type(transaction)
    return _body(BODY_OF[kind], transaction, _RENAMED.get(kind) or {})


def _wire(kind: type, get: Any) -> Any:
    info = msgspec.inspect.type_info(known_type(kind))
    if not isinstance(info, msgspec.inspect.StructType):
        raise TypeError(kind)
    return kind(*(_wire_value(field.type, get(field.name)) for field in info.fields))


def _wire_value(info: msgspec.inspect.Type, value: Any) -> Any:
    if isinstance(info, msgspec.inspect.Metadata):
        info = info.type
    if isinstance(info, msgspec.inspect.BytesType):
        return bytes.fromhex(value[2:])
    if isinstance(info, msgspec.inspect.UnionType):
        return _decoded(info, value)
    if isinstance(info, msgspec.inspect.EnumType):
        return cast(type[IntEnum], info.cls)[value.upper()]
    if isinstance(info, msgspec.inspect.VarTupleType) and isinstance(info.item_type, msgspec.inspect.StructType):
        return tuple(_wire(info.item_type.cls, lambda name, item=item: getattr(item, name)) for item in value)
    if isinstance(info, msgspec.inspect.VarTupleType):
        return tuple(_wire_value(info.item_type, item) for item in value)
    if isinstance(info, msgspec.inspect.IntType) and isinstance(value, str):
        return msgspec.convert(int(value), known_type(Annotated[int, Meta(ge=info.ge, le=info.le)]))
    return value


def _decoded(info: msgspec.inspect.UnionType, value: str) -> Any:
    """One of several wire types, from its canonical bytes. Raises msgspec.ValidationError."""
    kinds: Any = Union[tuple(part.cls for part in info.types if isinstance(part, msgspec.inspect.StructType))]  # noqa: UP007
    try:
        return decode(bytes.fromhex(value[2:]), kinds, AMENDMENT_BYTES_MAX)
    except RemoteFault as fault:
        raise msgspec.ValidationError(str(fault)) from None


def _body(kind: type[Body], value: Any, renamed: Mapping[str, str]) -> Body:
    fields: dict[str, Any] = {}
    for name in value.__struct_fields__:
        shown = getattr(value, name)
        if isinstance(shown, bytes):
            shown = "0x" + shown.hex() if shown else ""
        elif isinstance(shown, IntEnum):
            shown = shown.name.lower()
        elif isinstance(shown, msgspec.Struct):
            shown = "0x" + encode(shown).hex()
        elif isinstance(shown, tuple):
            shown = tuple(
                "0x" + part.hex() if isinstance(part, bytes) else _body(_LINES[type(part)], part, {}) for part in shown
            )
        elif name in AMOUNTS:
            shown = str(shown)
        fields[renamed.get(name, name)] = shown
    return kind(**fields)
