"""What a request's signature covers: all of it, as wallets show it and as it always was, under a nonce that rises."""

import json
import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from clearing.base.codec import decode, encode
from clearing.base.eip712 import TypedRequest
from clearing.base.hashing import keccak256
from clearing.base.ids import NetworkId
from clearing.base.secp256k1 import sign_digest
from clearing.context.request_checks import NONCE_STEP_MAX
from clearing.schema.blocks.transaction import Transaction, transaction_bytes_max
from clearing.schema.codes import ClearingCode
from clearing.schema.requests.accounts import AccountOpening
from clearing.schema.terms.genesis import AccountKind
from tests.kit.clearing.defaults import CLIENT_SECRET, NO_FUND, default_world
from tests.kit.clearing.funds import KEYED_CLIENT
from tests.kit.clearing.genesis import DOLLAR, USDC_1
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import World

KINDS = get_args(Transaction)
ANY_KIND: Any = Transaction
FROZEN = json.loads((Path(__file__).parents[2] / "vectors" / "clearing" / "request-digests.json").read_text())
SECRET = b"\x01" * 32
NETWORK = NetworkId(b"\x2a" * 32)
DOMAIN = [("name", "string"), ("version", "string"), ("salt", "bytes32")]


def test_every_kind_is_frozen() -> None:
    assert {each["kind"] for each in FROZEN["requests"]} == {kind.__name__ for kind in KINDS}


@pytest.mark.parametrize("frozen", FROZEN["requests"], ids=lambda each: each["kind"])
def test_a_frozen_request_has_its_frozen_digest(frozen: dict[str, str]) -> None:
    data = bytes.fromhex(frozen["request"])
    request = decode(data, ANY_KIND)
    assert type(request).__name__ == frozen["kind"]
    assert len(data) <= transaction_bytes_max(request)
    assert request.digest(NetworkId(bytes.fromhex(FROZEN["network"]))).hex() == frozen["digest"]


def sample(info: msgspec.inspect.Type, number: int) -> Any:
    info = info.type if isinstance(info, msgspec.inspect.Metadata) else info
    if isinstance(info, msgspec.inspect.BytesType):
        return bytes([number]) * (info.max_length or 0)
    if isinstance(info, msgspec.inspect.EnumType):
        return AccountKind.CLIENT
    if isinstance(info, msgspec.inspect.VarTupleType):
        assert isinstance(info.item_type, msgspec.inspect.StructType)
        line = info.item_type.cls
        return (line(*range(1, 1 + len(line.__struct_fields__))),)
    return True if isinstance(info, msgspec.inspect.BoolType) else 2**31 + number


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if issubclass(kind, TypedRequest)], ids=lambda kind: kind.__name__
)
def test_a_wallet_that_is_shown_the_declared_type_signs_what_we_check(kind: Any) -> None:
    info = msgspec.inspect.type_info(kind)
    assert isinstance(info, msgspec.inspect.StructType)
    values = {field.name: sample(field.type, at) for at, field in enumerate(info.fields)}
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
    signatures = [each.name for each in info.fields if each.name.endswith("signature")]
    assert len(fields) == len(info.fields) - len(signatures), "every field but the signatures is signed"


def opening(world: World, nonce: int) -> AccountOpening:
    """What a member may sign in its client's name: it takes no money, but uses a nonce."""
    return world.request(AccountOpening, KEYED_CLIENT, AccountKind.CLIENT, 0, bytes(20), nonce=nonce, key=secret(1))


def farthest(world: World) -> int:
    """The highest nonce that the next block takes of who has used none."""
    return (world.time_ms + 1_000) * 1_000_000 + NONCE_STEP_MAX


def test_a_member_cannot_lock_its_client_in_by_using_up_the_clients_nonces() -> None:
    world = default_world(fund=NO_FUND)
    world.bring(keyed=50_000)
    assert world.refused(opening(world, 2**63 - 1)) == [ClearingCode.NONCE_TOO_FAR]
    world.nonce = farthest(world)
    assert world.refused(opening(world, world.nonce)) == []
    assert world.refused(world.withdrawal(KEYED_CLIENT, USDC_1, 50_000 * DOLLAR, key=CLIENT_SECRET)) == []
    assert world.cash(KEYED_CLIENT) == 0


@pytest.mark.parametrize(("beyond", "refused"), [(0, []), (1, [ClearingCode.NONCE_TOO_FAR])])
def test_a_nonce_may_be_a_clock_or_a_counter(beyond: int, refused: list[ClearingCode]) -> None:
    world = default_world(fund=NO_FUND)
    assert world.refused(opening(world, farthest(world) + beyond)) == refused


def test_after_the_farthest_nonce_the_next_ones_are_still_good() -> None:
    world = default_world(fund=NO_FUND)
    first = farthest(world)
    last = first + 1 + NONCE_STEP_MAX
    assert world.refused(opening(world, first)) == []
    assert world.refused(opening(world, first + 1), opening(world, last)) == []
    again, too_far = opening(world, last), opening(world, last + 2 * NONCE_STEP_MAX)
    assert world.refused(again, too_far) == [ClearingCode.NONCE_USED, ClearingCode.NONCE_TOO_FAR]
