"""Typed reading of JSON-RPC values: quantities and data as `0x…` text.

Rule: for any JSON, the result is a bounded int or bytes, or RemoteFault MALFORMED_ANSWER; never another error.
"""

import re

from bridge.codes import BridgeCode
from clearing.base.errors import RemoteFault

DATA_LIMIT = 1 << 20
_QUANTITY = re.compile(r"0x(?:0|[1-9a-fA-F][0-9a-fA-F]{0,63})", re.ASCII)


def malformed(at: str, value: object) -> RemoteFault:
    """The fault for `value`, which it quotes shortened; lists and objects only by length."""
    # A value nested just deeply enough to be read could be nested too deeply to be formatted here.
    if isinstance(value, list | dict):
        quoted = f"{type(value).__name__} of {len(value)}"
    else:
        quoted = repr(value[:120] if isinstance(value, str) else value)[:120]
    return RemoteFault(BridgeCode.MALFORMED_ANSWER, at, value=quoted)


def read_object(value: object, at: str) -> dict[str, object]:
    """A JSON object."""
    if not isinstance(value, dict):
        raise malformed(at, value)
    return value


def read_list(value: object, at: str, limit: int) -> list[object]:
    """A JSON array of at most `limit` items."""
    if not isinstance(value, list) or len(value) > limit:
        raise malformed(at, value)
    return value


def read_quantity(value: object, at: str, bits: int = 64) -> int:
    """A quantity below 2^bits, without leading zeros (execution-apis, schemas/base-types.yaml, `uint`).

    Clients of all profiles write it so, and go-ethereum's own library refuses anything else (common/hexutil). Capital
    digits are taken, as there.
    """
    if not isinstance(value, str) or _QUANTITY.fullmatch(value) is None:
        raise malformed(at, value)
    number = int(value, 16)
    if number >> bits:
        raise malformed(at, value)
    return number


def read_data(value: object, at: str, size: int | None = None, limit: int = DATA_LIMIT) -> bytes:
    """Data of exactly `size` bytes, or of at most `limit` where no size is given."""
    if not isinstance(value, str) or value[:2] != "0x" or len(value) > 2 + 2 * limit:
        raise malformed(at, value)
    try:
        data = bytes.fromhex(value[2:])
    except ValueError:
        raise malformed(at, value) from None
    # fromhex skips white space, so the length of the text decides.
    if len(value) != 2 + 2 * len(data) or (size is not None and len(data) != size):
        raise malformed(at, value)
    return data


def hex_quantity(number: int) -> str:
    """The JSON-RPC form of a quantity."""
    return hex(number)


def hex_data(data: bytes) -> str:
    """The JSON-RPC form of data."""
    return "0x" + data.hex()
