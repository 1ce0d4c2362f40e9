"""Vectors for signers: of each kind of request two samples, from JSON over typed data to digests and signatures.

Rule: samples are drawn from the structures alone, small values first and then the largest that the type has, so a new
kind has vectors at once. The keys are published here: they sign nothing else. `docs.generate` writes the file.
"""

import enum
from collections.abc import Iterator
from typing import Any, cast

import msgspec
from msgspec import inspect as types

from clearing.base import ed25519, eip712
from clearing.base.codec import encode
from clearing.base.eip712 import TypedRequest
from clearing.base.hashing import keccak256, sha256
from clearing.base.ids import NetworkId
from clearing.base.secp256k1 import address, sign_digest
from clearing.schema.requests.governance import HOUSE_PROPOSER, GovernanceProposal
from docs.signing_shapes import KINDS, declaration_of, signing
from member.api.submit import body_of
from member.client.authorization import REQUEST_TYPE, SignedPart, authorization, request_digest

FORMAT = "crossclear-signing-vectors/1"
NETWORK = NetworkId(sha256(b"crossclear/signing-vectors/network"))
SECRETS = tuple(sha256(b"crossclear/signing-vectors/key/%d" % number) for number in range(3))
"""Of secp256k1, for the first, second and third signature of a request."""
VALIDATOR_SECRET = sha256(b"crossclear/signing-vectors/validator")
"""An Ed25519 seed."""
SIZES = ("small", "large")


def vectors() -> bytes:
    """The file's bytes."""
    found = {
        "format": FORMAT,
        "network": NETWORK.hex(),
        "domain": {**_domain(), "separator": eip712.domain_separator(NETWORK).hex()},
        "secp256k1_keys": [{"secret": each.hex(), "address": address(each).hex()} for each in SECRETS],
        "ed25519_key": {"seed": VALIDATOR_SECRET.hex(), "public": ed25519.public_key(VALIDATOR_SECRET).hex()},
        "requests": [vector for kind in KINDS for vector in _of_kind(kind)],
        "api_requests": [_api_request(*each) for each in API_REQUESTS],
    }
    return msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n"


API_REQUESTS = (
    ("GET", "/v1/accounts/1", b"", 1_800_000_000_000, bytes(31) + b"\x01"),
    ("GET", "/v1/receipts?account=1&after=12-0-3", b"", 1, bytes(32)),
    ("POST", "/v1/accounts/1/margin/simulate", b'{"prices":{}}', 2**63 - 1, b"\xff" * 32),
)


def _domain() -> dict[str, str]:
    return {"name": eip712.DOMAIN_NAME, "version": eip712.DOMAIN_VERSION, "salt": "0x" + NETWORK.hex()}


def _of_kind(kind: Any) -> Iterator[dict[str, Any]]:
    for size in SIZES:
        yield _vector(_sample(types.type_info(kind), size, 1), size)


def _vector(request: Any, sample: str) -> dict[str, Any]:
    kind, digest = type(request), request.digest(NETWORK)
    shape = next(each for each in signing().requests if each.name == kind.__name__)
    signed, by = _signed(request, sample, digest, [field.name for field in shape.fields if field.is_signature])
    vector = {
        "type": shape.type,
        "sample": sample,
        "request": msgspec.to_builtins(body_of(signed)),
        "digest": digest.hex(),
        "signatures": by,
        "canonical": encode(signed).hex(),
        "hash": sha256(encode((signed,))).hex(),
    }
    values = _typed_values(request)
    if values is not None:
        vector |= _typed(declaration_of(kind), values)
    return vector


def _signed(request: Any, sample: str, digest: bytes, fields: list[str]) -> tuple[Any, dict[str, Any]]:
    """The request with its signatures, and whose they are. The large sample leaves those empty that may be."""
    kind = type(request)
    if not issubclass(kind, TypedRequest) and getattr(request, "proposer", 0) != HOUSE_PROPOSER:
        made = ed25519.sign(VALIDATOR_SECRET, digest)
        by = {"signature": {"scheme": "ed25519", "key": 0, "signature": made.hex()}}
        if fields:
            return msgspec.structs.replace(request, signature=made), by
        return request, by
    found: dict[str, Any] = {}
    for number, field in enumerate(fields):
        if sample == "large" and field.startswith(("buyer", "client", "affiliate", "standby")):
            shape = next(each for each in types.type_info(kind).fields if each.name == field)  # type: ignore[attr-defined]
            if not getattr(shape.type, "min_length", 0):
                request = msgspec.structs.replace(request, **{field: b""})
                continue
        made = sign_digest(SECRETS[number], digest)
        request = msgspec.structs.replace(request, **{field: made})
        found[field] = {"scheme": "secp256k1", "key": number, "signature": made.hex()}
    return request, found


def _typed_values(request: Any) -> tuple[int | bytes, ...] | None:
    """The values of the EIP-712 struct; None where validators sign."""
    if isinstance(request, TypedRequest):
        return request.signed_values()
    if isinstance(request, GovernanceProposal) and request.proposer == HOUSE_PROPOSER:
        return request.content(NETWORK), request.not_after_ms
    return None


def _typed(declaration: str, values: tuple[int | bytes, ...]) -> dict[str, Any]:
    """The typed data as a wallet is asked to sign it (`eth_signTypedData_v4`), and its hashes. Numbers are text."""
    name, _, inside = declaration[:-1].partition("(")
    fields = [tuple(each.split(" ")) for each in inside.split(",")]
    message = {field: _shown(value) for (_, field), value in zip(fields, values, strict=True)}
    struct_hash = keccak256(eip712.type_hash(declaration) + eip712.abi_words(values))
    domain = [{"name": each, "type": kind} for kind, each in _pairs(eip712.DOMAIN_TYPE.decode())]
    return {
        "typed_data": {
            "types": {
                "EIP712Domain": domain,
                name: [{"name": field, "type": kind} for kind, field in fields],
            },
            "primaryType": name,
            "domain": _domain(),
            "message": message,
        },
        "type_hash": eip712.type_hash(declaration).hex(),
        "struct_hash": struct_hash.hex(),
    }


def _pairs(declaration: str) -> list[tuple[str, str]]:
    return [(each.split(" ")[0], each.split(" ")[1]) for each in declaration.partition("(")[2][:-1].split(",")]


def _shown(value: int | bytes) -> Any:
    if isinstance(value, bool):
        return value
    return "0x" + value.hex() if isinstance(value, bytes) else str(int(value))


def _api_request(method: str, target: str, body: bytes, time_ms: int, nonce: bytes) -> dict[str, Any]:
    part = SignedPart(method, target, body)
    fields = (keccak256(method.encode()), keccak256(target.encode()), keccak256(body), time_ms, nonce)
    return {
        "method": method,
        "target": target,
        "body": body.hex(),
        "time_ms": str(time_ms),
        "nonce": nonce.hex(),
        "digest": request_digest(NETWORK, part, time_ms, nonce).hex(),
        "authorization": authorization(NETWORK, SECRETS[0], part, time_ms, nonce),
        **_typed(REQUEST_TYPE, fields),
    }


def _sample(info: types.Type, size: str, number: int) -> Any:
    """A value of a type; `number` tells the fields apart."""
    info = info.type if isinstance(info, types.Metadata) else info
    small = size == "small"
    if isinstance(info, types.StructType):
        return info.cls(*(_sample(field.type, size, at + 1) for at, field in enumerate(info.fields)))
    if isinstance(info, types.IntType):
        if small:
            return max(info.ge or 0, -number) if (info.ge or 0) < 0 else number
        return info.le if info.le is not None else number
    if isinstance(info, types.BoolType):
        return small
    if isinstance(info, types.BytesType):
        length = info.max_length if info.max_length is not None and info.max_length < 100 else 3
        return bytes([number if small else 255 - number]) * length
    if isinstance(info, types.StrType):
        return "" if small else "a reason of ≤ 256 bytes"
    if isinstance(info, types.EnumType):
        choices = sorted(cast(type[enum.IntEnum], info.cls))
        return choices[0 if small else -1]
    if isinstance(info, types.VarTupleType):
        count = max(info.min_length or 0, 1 if small else 2)
        return tuple(_sample(info.item_type, size, number + at) for at in range(count))
    if isinstance(info, types.UnionType):
        return _sample(info.types[3 if small else 0], size, number)
    raise TypeError(info)
