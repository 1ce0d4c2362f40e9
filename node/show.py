"""`crossclear proof show --raw`: the raw MessagePack of a file as JSON, for people who look into one.

Rule: it knows no types of ours, so that it shows what is really there; bytes are hex. Limits on depth and size hold,
for the file may come from anywhere.
"""

import json
from typing import Any

import msgpack

from clearing.base.errors import BaseCode, RemoteFault

FILE_BYTES_MAX = 64 << 20
NESTING_MAX = 64


def show_messagepack(data: bytes) -> str:
    """Indented JSON of the one MessagePack value in `data`. Raises RemoteFault OVERSIZE, MALFORMED."""
    if len(data) > FILE_BYTES_MAX:
        raise RemoteFault(BaseCode.OVERSIZE, "file", bytes=len(data), limit=FILE_BYTES_MAX)
    try:
        value = msgpack.unpackb(data, raw=False, strict_map_key=False)
        return json.dumps(_shown(value, 0), indent=1)
    except (ValueError, TypeError, msgpack.UnpackException, RecursionError) as error:
        raise RemoteFault(BaseCode.MALFORMED, "file", why=str(error)[:200]) from None


def _shown(value: Any, depth: int) -> Any:
    if depth > NESTING_MAX:
        raise ValueError("nested too deeply")
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, list):
        return [_shown(each, depth + 1) for each in value]
    if isinstance(value, dict):
        return {str(key): _shown(each, depth + 1) for key, each in value.items()}
    return value if isinstance(value, str | int | bool | None) else repr(value)
