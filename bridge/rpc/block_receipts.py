"""All receipts of a block from one source: at once, or one by one where it knows no `eth_getBlockReceipts`.

Rule: how they come does not matter, because all receipts together must rebuild the root in the block's header; a
missing, additional or altered one does not. What is asked for is bounded.
"""

from collections.abc import Sequence
from typing import Protocol

from bridge.codes import BridgeCode
from bridge.evm.header import BlockHeader
from bridge.evm.hexadecimal import hex_data, hex_quantity, read_data, read_list, read_object
from bridge.evm.layouts import ReceiptLayout
from bridge.evm.receipts import Receipt, check_receipts_root, read_receipts
from bridge.rpc.endpoint import BATCH_MAX, Result, RpcCall, accepted
from clearing.base.errors import RemoteFault

TRANSACTIONS_MAX = 10_000
"""In a block whose receipts are asked for one by one: 79 requests."""


class Source(Protocol):
    """One source: `bridge.rpc.endpoint.Endpoint`, or a test's."""

    name: str

    async def batch(self, calls: Sequence[RpcCall]) -> list[Result]:
        """Results in order, or RemoteFault."""


async def fetch_receipts(source: Source, layout: ReceiptLayout, block: BlockHeader) -> tuple[Receipt, ...]:
    """All receipts of `block`, in order.

    Raises RemoteFault: the source's own, MALFORMED_ANSWER, UNKNOWN_RECEIPT_TYPE, RECEIPTS_ROOT_MISMATCH.
    """
    try:
        (answer,) = await source.batch((RpcCall("eth_getBlockReceipts", (hex_quantity(block.number),)),))
        found = accepted(answer, "eth_getBlockReceipts")
    except RemoteFault as fault:
        if fault.code is not BridgeCode.ENDPOINT_REFUSED:
            raise
        found = None
    if found is None:
        found = await _single_receipts(source, block)
    receipts = read_receipts(found, layout, block)
    check_receipts_root(receipts, block.receipts_root)
    return receipts


async def _single_receipts(source: Source, block: BlockHeader) -> list[object]:
    (answer,) = await source.batch((RpcCall("eth_getBlockByHash", (hex_data(block.hash), False)),))
    fields = read_object(accepted(answer, "eth_getBlockByHash"), "block")
    hashes = [
        read_data(hash_, "block.transaction", 32)
        for hash_ in read_list(fields.get("transactions"), "block.transactions", TRANSACTIONS_MAX)
    ]
    receipts: list[object] = []
    for start in range(0, len(hashes), BATCH_MAX):
        calls = [
            RpcCall("eth_getTransactionReceipt", (hex_data(hash_),)) for hash_ in hashes[start : start + BATCH_MAX]
        ]
        receipts += [accepted(result, "eth_getTransactionReceipt") for result in await source.batch(calls)]
    return receipts
