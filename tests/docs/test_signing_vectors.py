"""The published signing vectors are right by an implementation that is not ours: eth-account, and plain hashlib."""

import hashlib
import json
from pathlib import Path
from typing import Any

import msgpack
import nacl.signing
import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils import keccak

from docs.signing_page import request_sections
from docs.signing_shapes import KINDS, signing
from docs.signing_vectors import vectors

ROOT = Path(__file__).resolve().parents[2]
FILE = json.loads((ROOT / "docs" / "reference" / "signing-vectors.json").read_bytes())
TYPES = json.loads((ROOT / "docs" / "reference" / "signing.json").read_bytes())
REQUESTS = FILE["requests"]
EIP712 = [each for each in REQUESTS if "typed_data" in each] + FILE["api_requests"]
BY_VALIDATORS = [each for each in REQUESTS if "typed_data" not in each]
Vector = dict[str, Any]


def name_of(vector: Vector) -> str:
    return f"{vector.get('type', vector.get('target'))}-{vector.get('sample', '')}"


def test_the_committed_vectors_are_those_of_the_schema() -> None:
    assert vectors() == (ROOT / "docs" / "reference" / "signing-vectors.json").read_bytes(), "run `make docs`"


def test_every_kind_has_a_small_and_a_large_vector() -> None:
    found = [(each["type"], each["sample"]) for each in REQUESTS]
    assert found == [(shape.type, size) for shape in signing().requests for size in ("small", "large")]
    assert len(signing().requests) == len(KINDS)


def test_every_kind_stands_on_the_page() -> None:
    sections = request_sections()
    for shape in signing().requests:
        assert f"### {shape.name}\n" in sections
        assert not shape.declaration or shape.declaration in sections


@pytest.mark.parametrize("vector", EIP712, ids=name_of)
def test_a_wallet_signs_the_typed_data_to_the_same_digest(vector: Vector) -> None:
    signable = encode_typed_data(full_message=vector["typed_data"])
    assert signable.header.hex() == FILE["domain"]["separator"]
    assert signable.body.hex() == vector["struct_hash"]
    assert keccak(b"\x19\x01" + signable.header + signable.body).hex() == vector["digest"]
    assert all(each["scheme"] == "secp256k1" for each in vector.get("signatures", {}).values())
    for signature in vector.get("signatures", {}).values():
        key = FILE["secp256k1_keys"][signature["key"]]
        wallet = Account.from_key(key["secret"])
        assert wallet.address.lower() == "0x" + key["address"]
        assert wallet.sign_message(signable).signature.hex() == signature["signature"]


@pytest.mark.parametrize("vector", EIP712, ids=name_of)
def test_the_type_hash_is_that_of_the_declaration(vector: Vector) -> None:
    name = vector["typed_data"]["primaryType"]
    fields = ",".join(f"{each['type']} {each['name']}" for each in vector["typed_data"]["types"][name])
    assert keccak(f"{name}({fields})".encode()).hex() == vector["type_hash"]
    declared = {shape["declaration"] for shape in TYPES["requests"] if "declaration" in shape}
    assert f"{name}({fields})" in declared | {TYPES["api_request"]}


@pytest.mark.parametrize("vector", REQUESTS, ids=name_of)
def test_the_id_is_a_hash_of_the_canonical_bytes(vector: Vector) -> None:
    data = bytes.fromhex(vector["canonical"])
    assert hashlib.sha256(b"\x91" + data).hexdigest() == vector["hash"]
    items = msgpack.unpackb(data, strict_map_key=False)
    assert msgpack.packb(items) == data, "the shortest form of each value"
    shape = next(each for each in TYPES["requests"] if each["type"] == vector["type"])
    assert items[0] == shape["tag"]
    assert len(items) == 1 + len(shape["fields"])
    for field, item in zip(shape["fields"], items[1:], strict=True):
        shown = vector["request"][field["json"]]
        if field["kind"] in ("integer", "amount"):
            assert item == int(shown)
        elif field["kind"] == "bytes":
            assert item.hex() == shown.removeprefix("0x")


def tagged(tag: str, *parts: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(tag.encode()).digest() + b"".join(parts)).digest()


def digest_of_validators(vector: Vector) -> bytes:
    """As the page says, by msgpack and hashlib."""
    network, items = bytes.fromhex(FILE["network"]), msgpack.unpackb(bytes.fromhex(vector["canonical"]))
    tags = next(each["hash_tags"] for each in TYPES["requests"] if each["type"] == vector["type"])
    if vector["type"] == "governance_vote":
        return tagged(tags[0], network, msgpack.packb(items[1:6]))
    if vector["type"] == "governance_proposal":
        amendment = tagged(tags[1], network, msgpack.packb(items[2]))
        return tagged(tags[0], network, msgpack.packb([items[1], amendment, items[3], items[4]]))
    return tagged(tags[0], network, msgpack.packb([*items[:-1], []]))


@pytest.mark.parametrize("vector", BY_VALIDATORS, ids=name_of)
def test_a_validator_signs_the_tagged_hash(vector: Vector) -> None:
    assert digest_of_validators(vector).hex() == vector["digest"]
    key = nacl.signing.SigningKey(bytes.fromhex(FILE["ed25519_key"]["seed"]))
    assert key.verify_key.encode().hex() == FILE["ed25519_key"]["public"]
    for signature in vector["signatures"].values():
        assert key.sign(bytes.fromhex(vector["digest"])).signature.hex() == signature["signature"]


@pytest.mark.parametrize("vector", FILE["api_requests"], ids=name_of)
def test_an_api_requests_header_is_what_the_page_says(vector: Vector) -> None:
    message = vector["typed_data"]["message"]
    hashed = [vector["method"].encode(), vector["target"].encode(), bytes.fromhex(vector["body"])]
    assert [message[each] for each in ("method", "target", "body")] == ["0x" + keccak(each).hex() for each in hashed]
    time_ms, nonce, signature = vector["authorization"].removeprefix("Crossclear ").split(":")
    assert (time_ms, nonce) == (vector["time_ms"], vector["nonce"])
    signable = encode_typed_data(full_message=vector["typed_data"])
    wallet = Account.from_key(FILE["secp256k1_keys"][0]["secret"])
    assert Account.recover_message(signable, signature=bytes.fromhex(signature)) == wallet.address
