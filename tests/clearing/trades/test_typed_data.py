"""A wallet that is shown the declared type signs what we check, for every kind of typed request."""

import re
from typing import Any, get_args

import msgspec
import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from clearing.base.codec import encode
from clearing.base.eip712 import TypedRequest
from clearing.base.hashing import keccak256
from clearing.base.ids import NetworkId
from clearing.base.secp256k1 import sign_digest
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.requests.trades import StatementLine
from clearing.schema.terms.genesis import AccountKind

SECRET = b"\x01" * 32
NETWORK = NetworkId(b"\x2a" * 32)
DOMAIN = [("name", "string"), ("version", "string"), ("salt", "bytes32")]
KINDS = [kind for kind in get_args(Transaction) if issubclass(kind, TypedRequest)]


def sample(name: str, info: msgspec.inspect.Type, number: int) -> Any:
    info = info.type if isinstance(info, msgspec.inspect.Metadata) else info
    if isinstance(info, msgspec.inspect.BytesType):
        return bytes([number]) * (info.max_length or 0)
    if isinstance(info, msgspec.inspect.EnumType):
        return AccountKind.CLIENT
    if isinstance(info, msgspec.inspect.VarTupleType):
        return (StatementLine(1, 2, 3, 4, 5, 6),)
    return True if isinstance(info, msgspec.inspect.BoolType) else 2**31 + number


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_wallet_signs_what_we_check(kind: Any) -> None:
    info = msgspec.inspect.type_info(kind)
    assert isinstance(info, msgspec.inspect.StructType)
    values = {field.name: sample(field.name, field.type, at) for at, field in enumerate(info.fields)}
    request = kind(**values)
    name, inside = re.fullmatch(r"(\w+)\((.*)\)", kind.SIGNED).groups()  # type: ignore[union-attr]
    assert name == kind.__name__.removeprefix("Cash")
    fields = [tuple(each.split(" ")) for each in inside.split(",")]
    message = {}
    for type_name, field in fields:
        value = values[re.sub(r"([A-Z])", lambda found: "_" + found[1].lower(), field)]
        if isinstance(value, tuple):
            value = keccak256(encode(value))
        message[field] = "0x" + value.hex() if type_name == "address" else value
    typed = {
        "types": {
            "EIP712Domain": [{"name": each, "type": of} for each, of in DOMAIN],
            name: [{"name": field, "type": type_name} for type_name, field in fields],
        },
        "primaryType": name,
        "domain": {"name": "crossclear", "version": "1", "salt": NETWORK},
        "message": message,
    }
    wallet = Account.sign_message(encode_typed_data(full_message=typed), SECRET)
    assert bytes(wallet.signature) == sign_digest(SECRET, request.digest(NETWORK))
    unsigned = {each.name for each in info.fields if each.name.endswith("signature")}
    assert len(fields) == len(info.fields) - len(unsigned), "every field but the signatures is signed"
