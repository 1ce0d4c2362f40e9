"""The Python client signs as the published vectors say, and refuses what no node would take."""

import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from crossclear_client import Key, Request, Wallet, request_of, requests, signed
from crossclear_client.errors import BadField
from crossclear_client.request import submission
from crossclear_client.signing import authorization, recover

FILE = json.loads((Path(__file__).parents[2] / "docs" / "reference" / "signing-vectors.json").read_bytes())
NETWORK = bytes.fromhex(FILE["network"])
KEYS = [Key(bytes.fromhex(each["secret"])) for each in FILE["secp256k1_keys"]]
TRADE = next(each for each in FILE["requests"] if each["type"] == "trade")
Vector = dict[str, Any]


def name_of(vector: Vector) -> str:
    return f"{vector.get('type', vector.get('target'))}-{vector.get('sample', '')}"


def unsigned(vector: Vector) -> Request:
    body = {name: value for name, value in vector["request"].items() if name not in vector["signatures"]}
    return request_of(body, requests.KINDS)


@pytest.mark.parametrize("vector", FILE["requests"], ids=name_of)
def test_a_request_has_the_digest_the_bytes_and_the_id_of_its_vector(vector: Vector) -> None:
    request = request_of(vector["request"], requests.KINDS)
    assert request.digest(NETWORK).hex() == vector["digest"]
    assert request.canonical.hex() == vector["canonical"]
    assert request.id == "0x" + vector["hash"]
    assert request.body() == vector["request"]
    assert unsigned(vector).digest(NETWORK).hex() == vector["digest"]
    assert submission((request,)) == b"\x91\x91" + request.canonical


@pytest.mark.parametrize("vector", [each for each in FILE["requests"] if "typed_data" in each], ids=name_of)
def test_a_raw_key_and_a_wallet_sign_as_the_vector_says(vector: Vector) -> None:
    request = unsigned(vector)
    assert request.typed_data(NETWORK) == vector["typed_data"]
    assert [key.address.hex() for key in KEYS] == [each["address"] for each in FILE["secp256k1_keys"]]
    for field, by in vector["signatures"].items():
        key, wanted = KEYS[by["key"]], bytes.fromhex(by["signature"])

        async def ask(typed: Vector, wanted: bytes = wanted) -> bytes:
            assert typed == vector["typed_data"]
            return wanted[:64] + bytes((wanted[64] - 27,))

        for signer in (key, Wallet(key.address, ask)):
            made = anyio.run(lambda field=field, signer=signer: signed(NETWORK, request, **{field: signer}))  # type: ignore[misc]
            assert getattr(made, field) == wanted
        assert recover(request.digest(NETWORK), wanted) == key.address


@pytest.mark.parametrize("vector", FILE["api_requests"], ids=name_of)
def test_an_api_request_has_the_header_of_its_vector(vector: Vector) -> None:
    async def header() -> str:
        body, nonce = bytes.fromhex(vector["body"]), bytes.fromhex(vector["nonce"])
        return await authorization(
            NETWORK, KEYS[0], vector["method"], vector["target"], body, int(vector["time_ms"]), nonce
        )

    assert anyio.run(header) == vector["authorization"]


def test_a_wallet_that_signs_something_else_is_found() -> None:
    async def ask(_: Vector) -> bytes:
        return KEYS[0].sign_digest(bytes(32))

    with pytest.raises(BadField, match="something else"):
        anyio.run(lambda: signed(NETWORK, unsigned(TRADE), buyer_signature=Wallet(KEYS[0].address, ask)))


@pytest.mark.parametrize(
    ("field", "value"),
    [("lots", -1), ("lots", 2**63), ("venue", True), ("instrument", 2**32), ("buyer", "1"), ("buyer_signature", b"1")],
)
def test_a_field_out_of_bounds_is_refused_before_anything_is_signed(field: str, value: object) -> None:
    values: dict[str, Any] = dict.fromkeys(("venue", "venue_trade_id", "buyer", "seller", "instrument"), 1)
    request = requests.Trade(**{**values, "lots": 1, "ticks": 1, "not_after_ms": 1, field: value})
    with pytest.raises(BadField) as refused:
        request.digest(NETWORK)
    assert (refused.value.code, refused.value.at) == ("R0940", field)


NO_AMOUNTS = [{"lots": value} for value in (None, "x", "1_0", " 1", "01", 1)]


@pytest.mark.parametrize("change", [{"type": "no_kind"}, {"more": 1}, *NO_AMOUNTS, {"buyer_signature": "0xz"}])
def test_a_body_that_is_no_request_is_refused(change: Vector) -> None:
    with pytest.raises(BadField):
        request_of({**TRADE["request"], **change}, requests.KINDS)


def test_a_signature_that_the_request_does_not_have_is_refused() -> None:
    with pytest.raises(BadField, match="no such signature"):
        anyio.run(lambda: signed(NETWORK, unsigned(TRADE), signature=KEYS[0]))


def test_a_secret_is_never_printed() -> None:
    assert FILE["secp256k1_keys"][0]["secret"] not in repr(KEYS[0]) + str(vars(KEYS[0]))
