"""Block headers read from RPC answers, believed only if their fields hash to the stated hash.

Rule: the hash is recomputed from the fields that the chain's layout has (yellow paper 4.4.3 and what chains append to
it), so that everything read from a `BlockHeader` is as good as its hash. It does not know which hash to trust.
"""

from dataclasses import dataclass
from itertools import pairwise

from bridge.codes import BridgeCode
from bridge.evm.hexadecimal import read_data, read_object, read_quantity
from bridge.evm.layouts import DATA, FIRST_FIELDS, QUANTITY, HeaderLayout
from clearing.base.errors import RemoteFault
from clearing.base.evm.rlp_coding import encode
from clearing.base.hashing import keccak256


@dataclass(frozen=True, slots=True)
class BlockHeader:
    """The fields that the bridge uses, of a header whose hash was recomputed."""

    number: int
    hash: bytes
    parent_hash: bytes
    state_root: bytes
    receipts_root: bytes
    logs_bloom: bytes
    timestamp: int
    base_fee: int

    def may_hold_log(self, address: bytes, topics: tuple[bytes, ...]) -> bool:
        """Whether the block may hold a log of `address` with any of `topics`. False is proof that it does not."""
        bloom = int.from_bytes(self.logs_bloom, "big")
        return _in_bloom(bloom, address) and any(_in_bloom(bloom, topic) for topic in topics)


def stated_identity(value: object) -> tuple[int, bytes]:
    """(number, hash) that an answer claims, not recomputed. Raises RemoteFault MALFORMED_ANSWER."""
    fields = read_object(value, "header")
    return read_quantity(fields.get("number"), "header.number", 63), read_data(fields.get("hash"), "header.hash", 32)


def read_header(value: object, layout: HeaderLayout) -> BlockHeader:
    """A header from the JSON of `eth_getBlockBy…`. Raises RemoteFault MALFORMED_ANSWER, HEADER_HASH_MISMATCH."""
    items = _read_items(value, layout)
    number, stated = stated_identity(value)
    computed = keccak256(encode(list(items.values())))
    if computed != stated:
        raise RemoteFault(BridgeCode.HEADER_HASH_MISMATCH, "header", number=number, stated=stated, computed=computed)
    return BlockHeader(
        number=number,
        hash=computed,
        parent_hash=_bytes_of(items["parentHash"]),
        state_root=_bytes_of(items["stateRoot"]),
        receipts_root=_bytes_of(items["receiptsRoot"]),
        logs_bloom=_bytes_of(items["logsBloom"]),
        timestamp=_int_of(items["timestamp"]),
        base_fee=_int_of(items.get("baseFeePerGas", 0)),
    )


def header_bytes(value: object, layout: HeaderLayout) -> bytes:
    """The RLP of a header from its JSON; its Keccak hash is the block's. Raises RemoteFault MALFORMED_ANSWER."""
    return encode(list(_read_items(value, layout).values()))


def is_same_header(value: object, good: object, layout: HeaderLayout) -> bool:
    """Whether an answer states, letter for letter, the hashed fields of another that `read_header` took.

    Much faster than to read it. False does not mean that it states another header.
    """
    if not isinstance(value, dict) or not isinstance(good, dict):
        return False
    for name, _ in (*FIRST_FIELDS, *layout.appended):
        # Only texts are compared: anything else could be nested too deeply.
        text = good.get(name)
        if text is None:
            return value.get(name) is None
        if not isinstance(value.get(name), str) or value[name] != text:
            return False
    return True


def check_links(headers: list[BlockHeader]) -> None:
    """Check that each header is the parent of the next. Raises RemoteFault BROKEN_PARENT_LINK."""
    for parent, child in pairwise(headers):
        if child.number != parent.number + 1 or child.parent_hash != parent.hash:
            raise RemoteFault(
                BridgeCode.BROKEN_PARENT_LINK,
                "headers",
                number=child.number,
                stated=child.parent_hash,
                expected=parent.hash,
            )


def _read_items(value: object, layout: HeaderLayout) -> dict[str, bytes | int]:
    """The hashed fields, in order."""
    fields = read_object(value, "header")
    limit = layout.extra_data_max
    items: dict[str, bytes | int] = {name: _read(fields, name, size, limit) for name, size in FIRST_FIELDS}
    for name, size in layout.appended:
        if fields.get(name) is None:
            break
        items[name] = _read(fields, name, size, limit)
    return items


def _read(fields: dict[str, object], name: str, size: int, limit: int) -> bytes | int:
    at = f"header.{name}"
    if size == QUANTITY:
        return read_quantity(fields.get(name), at, 256)
    if size == DATA:
        return read_data(fields.get(name), at, limit=limit)
    return read_data(fields.get(name), at, size)


def _bytes_of(item: bytes | int) -> bytes:
    return item if isinstance(item, bytes) else b""


def _int_of(item: bytes | int) -> int:
    return item if isinstance(item, int) else 0


def _in_bloom(bloom: int, entry: bytes) -> bool:
    digest = keccak256(entry)
    return all(bloom >> (int.from_bytes(digest[i : i + 2], "big") & 2047) & 1 for i in (0, 2, 4))
