"""Transaction receipts: read from RPC or from a proof, encoded as the chain hashes them (EIP-2718, EIP-658).

Rule: a receipt is believed only if the receipts root rebuilt from a whole block, or a trie proof, leads to the
root in a trusted header. Other fields of an answer are not read.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.codes import BridgeCode
from bridge.evm.hexadecimal import malformed, read_data, read_list, read_object, read_quantity
from bridge.evm.trie import index_key, trie_root
from clearing.base.errors import RemoteFault
from clearing.base.evm.rlp_coding import Item, decode, encode

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
    cumulative_gas: int
    bloom: bytes
    logs: tuple[Log, ...]

    def encode(self) -> bytes:
        """The bytes in the receipts trie."""
        body = encode(
            [
                b"\x01" if self.succeeded else b"",
                self.cumulative_gas,
                self.bloom,
                [[log.address, log.topics, log.data] for log in self.logs],
            ]
        )
        return bytes((self.type,)) + body if self.type else body


def read_receipts(value: object) -> tuple[Receipt, ...]:
    """Receipts from the JSON of `eth_getBlockReceipts`, in order. Raises RemoteFault MALFORMED_ANSWER."""
    receipts = []
    for index, item in enumerate(read_list(value, "receipts", RECEIPTS_MAX)):
        fields = read_object(item, "receipt")
        if read_quantity(fields.get("transactionIndex"), "receipt.transactionIndex", 32) != index:
            raise malformed("receipt.transactionIndex", fields.get("transactionIndex"))
        receipts.append(_read_receipt(fields))
    return tuple(receipts)


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


def decode_receipt(encoded: bytes) -> Receipt:
    """A receipt from its bytes in the trie. Raises RemoteFault MALFORMED_RECEIPT."""
    kind = encoded[0] if encoded and encoded[0] <= TYPE_MAX else 0
    try:
        status, gas, bloom, logs = _list(decode(encoded[1:] if kind else encoded))
        receipt = Receipt(
            type=kind,
            succeeded=status == b"\x01",
            cumulative_gas=int.from_bytes(_bytes(gas), "big"),
            bloom=_bytes(bloom),
            logs=tuple(map(_decode_log, _list(logs))),
        )
        same = receipt.encode() == encoded
    except ValueError:
        same = False
    if not same or len(receipt.bloom) != 256 or not all(map(_is_log, receipt.logs)):
        raise RemoteFault(BridgeCode.MALFORMED_RECEIPT, "receipt", bytes=len(encoded))
    return receipt


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


def _read_receipt(fields: dict[str, object]) -> Receipt:
    return Receipt(
        type=read_quantity(fields.get("type", "0x0"), "receipt.type", 7),
        succeeded=read_quantity(fields.get("status"), "receipt.status", 1) == 1,
        cumulative_gas=read_quantity(fields.get("cumulativeGasUsed"), "receipt.cumulativeGasUsed"),
        bloom=read_data(fields.get("logsBloom"), "receipt.logsBloom", 256),
        logs=tuple(_read_log(item) for item in read_list(fields.get("logs"), "receipt.logs", LOGS_MAX)),
    )


def _read_log(value: object) -> Log:
    fields = read_object(value, "log")
    return Log(
        address=read_data(fields.get("address"), "log.address", 20),
        topics=tuple(
            read_data(topic, "log.topic", 32) for topic in read_list(fields.get("topics"), "log.topics", TOPICS_MAX)
        ),
        data=read_data(fields.get("data"), "log.data"),
    )
