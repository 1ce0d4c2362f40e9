"""Branches that were never mined: their fields lead to their hashes, so that only another endpoint contradicts them."""

import copy
from dataclasses import replace
from typing import Any, Protocol

from bridge.evm.events import DEPOSITED, Deposited, read_event, rolled_deposits_hash
from bridge.evm.header import header_bytes, read_header
from bridge.evm.hexadecimal import hex_data, hex_quantity
from bridge.evm.layouts import ETHEREUM
from bridge.evm.receipts import Log, read_receipts, receipt_items, trie_root
from bridge.rpc.endpoint import Result, RpcCall
from clearing.base.codec import u256
from clearing.base.hashing import keccak256

Block = dict[str, Any]


class Node(Protocol):
    """A true node: `devnet.anvil.Anvil`, or a kit's chain."""

    def rpc(self, method: str, *params: Any) -> Any: ...


def linked_branch(node: Node, first: int, last: int, changed: Block) -> dict[int, Block]:
    """The node's blocks from `first` on, and copies of its newest beyond it, linked anew; `changed`: of the first."""
    head = int(node.rpc("eth_blockNumber"), 16)
    blocks: dict[int, Block] = {}
    parent = ""
    for number in range(first, last + 1):
        block = dict(node.rpc("eth_getBlockByNumber", hex_quantity(min(number, head)), *[False]))
        block["number"] = hex_quantity(number)
        if number == head + 1 == first:
            parent = block["hash"]
        block.update({"parentHash": parent} if parent else changed)
        parent = block["hash"] = hex_data(keccak256(header_bytes(block, ETHEREUM.header)))
        blocks[number] = block
    return blocks


class ForgedChain:
    """Passes on what a true endpoint says up to `first`; from there on it serves the forged branch."""

    def __init__(self, node: Node, first: int, amount: int) -> None:
        """The branch up to the present head; deposit 1, which is the first transaction of `first`, is of `amount`."""
        self.first, self.is_on = first, True
        self.receipts = copy.deepcopy(node.rpc("eth_getBlockReceipts", hex_quantity(first)))
        _set_first_deposit(self.receipts[0]["logs"], amount)
        true = read_header(node.rpc("eth_getBlockByNumber", hex_quantity(first), *[False]), ETHEREUM.header)
        self.decoded = read_receipts(self.receipts, ETHEREUM.receipts, true)
        root = hex_data(trie_root(receipt_items(self.decoded)))
        self.blocks = linked_branch(node, first, int(node.rpc("eth_blockNumber"), 16), {"receiptsRoot": root})
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
            return self.blocks.get(number, result)
        if call.method == "eth_getBlockReceipts" and at == hex_quantity(self.first):
            return self.receipts
        return result


def _set_first_deposit(logs: list[dict[str, Any]], amount: int) -> None:
    """Deposit 1 of another amount, with the rolling hash that it would have."""
    (log,) = (each for each in logs if each["topics"][0] == hex_data(DEPOSITED))
    topics = tuple(bytes.fromhex(topic[2:]) for topic in log["topics"])
    event = read_event(Log(bytes.fromhex(log["address"][2:]), topics, bytes.fromhex(log["data"][2:])))
    assert isinstance(event, Deposited)
    forged = replace(event, amount=amount)
    rolled = rolled_deposits_hash(bytes(32), forged)
    log["data"] = hex_data(u256(amount) + event.sender.rjust(32, b"\0") + rolled)
