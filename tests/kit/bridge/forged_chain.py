"""A branch that was never mined: a block with another receipt, and all that follow it, with hashes that fit."""

import copy
from typing import Any

from bridge.evm.header import header_bytes, read_header
from bridge.evm.hexadecimal import hex_data, hex_quantity
from bridge.evm.layouts import ETHEREUM
from bridge.evm.receipts import read_receipts, receipt_items, trie_root
from bridge.rpc.endpoint import Result, RpcCall
from clearing.base.hashing import keccak256
from tests.kit.bridge.watched_chain import Chain


class ForgedChain:
    """Passes on what a true endpoint says up to `first`; from there on it serves the forged branch. Each field of its
    blocks leads to the stated hashes, so only another endpoint contradicts it."""

    def __init__(self, chain: Chain, first: int, amount: int, more_blocks: int = 0) -> None:
        """The branch up to the present head and `more_blocks` beyond; deposit 1, which is in `first`, is of `amount`
        there."""
        self.first, self.is_on = first, True
        self.receipts = copy.deepcopy(chain.rpc("eth_getBlockReceipts", hex_quantity(first)))
        rolled = dict(chain.rolled)
        _, data = chain.deposit_log(1, amount=amount)
        chain.rolled = rolled
        self.receipts[0]["logs"][0]["data"] = hex_data(data)
        true = read_header(chain.rpc("eth_getBlockByNumber", hex_quantity(first), *[False]), ETHEREUM.header)
        self.decoded = read_receipts(self.receipts, ETHEREUM.receipts, true)
        root = hex_data(trie_root(receipt_items(self.decoded)))
        self.blocks: dict[int, dict[str, Any]] = {}
        parent = ""
        head = chain.head
        for number in range(first, head + more_blocks + 1):
            block = dict(chain.rpc("eth_getBlockByNumber", hex_quantity(min(number, head)), *[False]))
            block["number"] = hex_quantity(number)
            block.update({"parentHash": parent} if parent else {"receiptsRoot": root})
            parent = block["hash"] = hex_data(keccak256(header_bytes(block, ETHEREUM.header)))
            self.blocks[number] = block
        self.by_hash = {block["hash"]: block for block in self.blocks.values()}

    def __call__(self, call: RpcCall, result: Result) -> Result:
        """The answer instead of the true one."""
        if not self.is_on:
            return result
        at = call.params[0] if call.params else None
        if call.method == "eth_getBlockByHash":
            return self.by_hash.get(str(at), result)
        if call.method == "eth_getBlockByNumber":
            number = int(result["number"], 16) if isinstance(result, dict) else int(str(at), 16)
            if at == "finalized" and max(self.blocks) > number + 64:
                return self.blocks[max(self.blocks)]
            return self.blocks.get(number, result)
        if call.method == "eth_getBlockReceipts" and at == hex_quantity(self.first):
            return self.receipts
        return result
