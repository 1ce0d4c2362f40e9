"""One way for tests to sign what members, venues and validators sign.

Rule: a key signs the digest of the whole request, whatever its signature fields hold.
"""

from typing import Any

import msgspec

from clearing.base.ids import NetworkId
from clearing.base.secp256k1 import sign_digest


def secret(member: int) -> bytes:
    """The trading key of a member of the small genesis."""
    return (member + 1).to_bytes(32, "big")


def signed(request: Any, network: NetworkId, key: bytes | None = None, **keys: bytes) -> Any:
    """`request` with `signature` made by `key`, and each signature named in `keys` made by that key."""
    digest = request.digest(network)
    named = keys if key is None else {"signature": key, **keys}
    return msgspec.structs.replace(request, **{name: sign_digest(each, digest) for name, each in named.items()})


def blank(kind: type[Any], *fields: Any, **named: Any) -> Any:
    """An unsigned request: `fields` in their order, but for nonce, deadline and signatures, which have names."""
    stated = [each for each in kind.__struct_fields__ if each not in ("nonce", "not_after_ms") and not _signs(each)]
    unsigned = {each: b"" for each in kind.__struct_fields__ if _signs(each)}
    return kind(**unsigned | dict(zip(stated, fields, strict=False)) | named)


def _signs(field: str) -> bool:
    return field == "signature" or field.endswith("_signature")
