"""Transaction receipts and their trie: read from RPC or a proof, encoded as the chain hashes them (EIP-2718, EIP-658).

Rule: a receipt is believed only if the receipts root rebuilt from a whole block, or a trie proof, leads to the root in
a trusted header. A type that the chain's layout does not have is refused. Other fields of an answer are not read. In
the trie (yellow paper, appendix D) a node is referenced by its Keccak hash, or stands inline where its encoding is
shorter than 32 bytes; a proof is the list of hashed nodes from the root on, and every one must be used.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridge.codes import BridgeCode
from bridge.evm.header import BlockHeader
from bridge.evm.hexadecimal import hex_data, malformed, read_data, read_list, read_object, read_quantity
from bridge.evm.layouts import ReceiptLayout
from clearing.base.errors import RemoteFault
from clearing.base.evm.rlp_coding import Item, decode, encode
from clearing.base.evm.trie import EMPTY_ROOT, lookup, nibbles
from clearing.base.hashing import keccak256

TOPICS_MAX = 4
LOGS_MAX = 100_000
RECEIPTS_MAX = 100_000
TYPE_MAX = 0x7F


@dataclass(frozen=True, slots=True)
class Log:
    """Who emitted, up to four topics of 32 bytes, data."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes

    def encode(self) -> bytes:
        """RLP of (address, topics, data), as it stands in the receipt."""
        return encode([self.address, self.topics, self.data])


@dataclass(frozen=True, slots=True)
class Receipt:
    """The hashed fields of a receipt. `type` 0 is the legacy form."""

    type: int
    succeeded: bool
    """False too where a state root stands in place of the status, which then does not say."""
    cumulative_gas: int
    bloom: bytes
    logs: tuple[Log, ...]
    state_root: bytes = b""
    appended: tuple[int, ...] = ()
    """The quantities of its type that are hashed after the logs."""

    def encode(self) -> bytes:
        """The bytes in the receipts trie."""
        body = encode(
            [
                self.state_root or (b"\x01" if self.succeeded else b""),
                self.cumulative_gas,
                self.bloom,
                [[log.address, log.topics, log.data] for log in self.logs],
                *self.appended,
            ]
        )
        return bytes((self.type,)) + body if self.type else body


def read_receipts(value: object, layout: ReceiptLayout, block: BlockHeader) -> tuple[Receipt, ...]:
    """The receipts under the root of `block`, in order, from the JSON of `eth_getBlockReceipts`.

    Raises RemoteFault MALFORMED_ANSWER, UNKNOWN_RECEIPT_TYPE.
    """
    receipts = []
    unhashed = _unhashed_transaction(layout, block)
    for index, item in enumerate(read_list(value, "receipts", RECEIPTS_MAX)):
        fields = read_object(item, "receipt")
        if unhashed and fields.get("transactionHash") == unhashed:
            continue
        if read_quantity(fields.get("transactionIndex"), "receipt.transactionIndex", 32) != index:
            raise malformed("receipt.transactionIndex", fields.get("transactionIndex"))
        receipts.append(_read_receipt(fields, layout))
    return tuple(receipts)


def _unhashed_transaction(layout: ReceiptLayout, block: BlockHeader) -> str:
    """The hash of the transaction that an answer may list and the root does not have; empty where there is none."""
    if not layout.unhashed_tag:
        return ""
    return hex_data(keccak256(layout.unhashed_tag + block.number.to_bytes(8, "big") + block.hash))


def receipt_items(receipts: Sequence[Receipt]) -> dict[bytes, bytes]:
    """Key to value of the block's receipts trie."""
    return {index_key(index): receipt.encode() for index, receipt in enumerate(receipts)}


def check_receipts_root(receipts: Sequence[Receipt], root: bytes) -> None:
    """Check that these are all receipts under `root`. Raises RemoteFault RECEIPTS_ROOT_MISMATCH."""
    rebuilt = trie_root(receipt_items(receipts))
    if rebuilt != root:
        raise RemoteFault(
            BridgeCode.RECEIPTS_ROOT_MISMATCH, "receipts", count=len(receipts), rebuilt=rebuilt, root=root
        )


def decode_receipt(encoded: bytes, layout: ReceiptLayout) -> Receipt:
    """A receipt from its bytes in the trie. Raises RemoteFault MALFORMED_RECEIPT, UNKNOWN_RECEIPT_TYPE."""
    kind = encoded[0] if encoded and encoded[0] <= TYPE_MAX else 0
    _check_type(kind, layout)
    try:
        status, gas, bloom, logs, *appended = _list(decode(encoded[1:] if kind else encoded))
        receipt = Receipt(
            type=kind,
            succeeded=status == b"\x01",
            cumulative_gas=int.from_bytes(_bytes(gas), "big"),
            bloom=_bytes(bloom),
            logs=tuple(map(_decode_log, _list(logs))),
            state_root=_bytes(status) if _is_state_root(status, kind, layout) else b"",
            appended=tuple(int.from_bytes(_bytes(item), "big") for item in appended),
        )
        same = receipt.encode() == encoded and len(appended) in (0, len(layout.kinds[kind]))
        same = same and all(number < 1 << 64 for number in receipt.appended)
    except ValueError:
        same = False
    if not same or len(receipt.bloom) != 256 or not all(map(_is_log, receipt.logs)):
        raise RemoteFault(BridgeCode.MALFORMED_RECEIPT, "receipt", bytes=len(encoded))
    return receipt


def _check_type(kind: int, layout: ReceiptLayout) -> None:
    if kind not in layout.kinds:
        raise RemoteFault(BridgeCode.UNKNOWN_RECEIPT_TYPE, "receipt", type=kind)


def _is_state_root(status: Item, kind: int, layout: ReceiptLayout) -> bool:
    return layout.state_roots and kind == 0 and len(status) == 32


def _decode_log(item: Item) -> Log:
    address, topics, data = _list(item)
    return Log(_bytes(address), tuple(map(_bytes, _list(topics))), _bytes(data))


def _bytes(item: Item) -> bytes:
    if not isinstance(item, bytes):
        raise ValueError("a list where bytes are due")
    return item


def _list(item: Item) -> list[Item]:
    if isinstance(item, bytes):
        raise ValueError("bytes where a list is due")
    return item


def _is_log(log: Log) -> bool:
    return len(log.address) == 20 and len(log.topics) <= TOPICS_MAX and all(len(topic) == 32 for topic in log.topics)


def _read_receipt(fields: dict[str, object], layout: ReceiptLayout) -> Receipt:
    kind = read_quantity(fields.get("type", "0x0"), "receipt.type", 7)
    _check_type(kind, layout)
    has_root = layout.state_roots and kind == 0 and fields.get("status") is None
    root = read_data(fields.get("root"), "receipt.root", 32) if has_root else b""
    return Receipt(
        type=kind,
        succeeded=not root and read_quantity(fields.get("status"), "receipt.status", 1) == 1,
        cumulative_gas=read_quantity(fields.get("cumulativeGasUsed"), "receipt.cumulativeGasUsed"),
        bloom=read_data(fields.get("logsBloom"), "receipt.logsBloom", 256),
        logs=tuple(_read_log(item) for item in read_list(fields.get("logs"), "receipt.logs", LOGS_MAX)),
        state_root=root,
        appended=_read_appended(fields, layout.kinds[kind]),
    )


def _read_appended(fields: dict[str, object], names: tuple[str, ...]) -> tuple[int, ...]:
    """All or none: clients show the first of them for blocks of a time when none was hashed yet."""
    if any(fields.get(name) is None for name in names):
        return ()
    return tuple(read_quantity(fields.get(name), f"receipt.{name}") for name in names)


def _read_log(value: object) -> Log:
    fields = read_object(value, "log")
    return Log(
        address=read_data(fields.get("address"), "log.address", 20),
        topics=tuple(
            read_data(topic, "log.topic", 32) for topic in read_list(fields.get("topics"), "log.topics", TOPICS_MAX)
        ),
        data=read_data(fields.get("data"), "log.data"),
    )


PROOF_NODES_MAX = 64


def index_key(index: int) -> bytes:
    """The key of transaction `index` in the receipts trie."""
    return encode(index)


def trie_root(items: Mapping[bytes, bytes]) -> bytes:
    """Root of the trie that maps each key to its value. Values must not be empty."""
    if not items:
        return EMPTY_ROOT
    return keccak256(encode(_build(_sorted(items), 0)))


def trie_proof(items: Mapping[bytes, bytes], key: bytes) -> tuple[bytes, ...]:
    """Encoded nodes from the root to the value of `key`, inline nodes inside their parents. KeyError if absent."""
    items[key]
    node = _build(_sorted(items), 0, nibbles(key), proof := [])
    proof.append(encode(node))
    # The root is always included, an inner node only where its parent refers to it by hash.
    return tuple(reversed([encoded for encoded in proof[:-1] if len(encoded) >= 32] + proof[-1:]))


def verify_trie_proof(root: bytes, key: bytes, proof: Sequence[bytes]) -> bytes:
    """The value of `key` under `root`. Raises RemoteFault BAD_TRIE_PROOF, also for a proof of absence."""
    if not 0 < len(proof) <= PROOF_NODES_MAX:
        raise RemoteFault(BridgeCode.BAD_TRIE_PROOF, "length", nodes=len(proof))
    used = 0

    def next_node(expected: bytes) -> bytes:
        nonlocal used
        if used == len(proof) or keccak256(proof[used]) != expected:
            raise RemoteFault(BridgeCode.BAD_TRIE_PROOF, "node", index=used, expected=expected)
        used += 1
        return proof[used - 1]

    try:
        value = lookup(root, key, next_node)
    except RemoteFault as fault:
        raise RemoteFault(BridgeCode.BAD_TRIE_PROOF, fault.at, **fault.values) from None
    if used != len(proof) or value is None:
        raise RemoteFault(BridgeCode.BAD_TRIE_PROOF, "value", used=used, nodes=len(proof))
    return value


def _sorted(items: Mapping[bytes, bytes]) -> list[tuple[tuple[int, ...], bytes]]:
    return [(nibbles(key), items[key]) for key in sorted(items)]


def _build(
    items: list[tuple[tuple[int, ...], bytes]],
    depth: int,
    wanted: tuple[int, ...] | None = None,
    proof: list[bytes] | None = None,
) -> Item:
    """The node over `items`, which are sorted and equal up to `depth`.

    Encoded nodes below it, on the way to `wanted_ids`, are appended to `proof`, deepest first.
    """
    first, last = items[0][0], items[-1][0]
    if len(items) == 1:
        return [_compact(first[depth:], leaf=True), items[0][1]]
    shared = depth
    while shared < min(len(first), len(last)) and first[shared] == last[shared]:
        shared += 1
    node: list[Item] = [b""] * 17
    start = 0
    if len(first) == shared:  # sorted: only the first key can end here
        node[16] = items[0][1]
        start = 1
    while start < len(items):
        nibble = items[start][0][shared]
        end = start
        while end < len(items) and items[end][0][shared] == nibble:
            end += 1
        node[nibble] = _reference(items[start:end], shared + 1, wanted, proof)
        start = end
    if shared == depth:
        return node
    encoded = encode(node)
    if proof is not None and wanted is not None and wanted[:shared] == first[:shared]:
        proof.append(encoded)
    return [_compact(first[depth:shared], leaf=False), _shortened(node, encoded)]


def _reference(
    items: list[tuple[tuple[int, ...], bytes]], depth: int, wanted: tuple[int, ...] | None, proof: list[bytes] | None
) -> Item:
    on_path = wanted is not None and wanted[:depth] == items[0][0][:depth]
    node = _build(items, depth, wanted if on_path else None, proof if on_path else None)
    encoded = encode(node)
    if on_path and proof is not None:
        proof.append(encoded)
    return _shortened(node, encoded)


def _shortened(node: Item, encoded: bytes) -> Item:
    return node if len(encoded) < 32 else keccak256(encoded)


def _compact(path: tuple[int, ...], *, leaf: bool) -> bytes:
    """Hex-prefix encoding (yellow paper, appendix C)."""
    flag = 2 if leaf else 0
    padded = (flag + 1, *path) if len(path) % 2 else (flag, 0, *path)
    return bytes(padded[i] << 4 | padded[i + 1] for i in range(0, len(padded), 2))
