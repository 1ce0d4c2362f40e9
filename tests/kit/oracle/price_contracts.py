"""The contracts of `PriceContracts.sol` on a chain: compiled, deployed and set by tests."""

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from eth_abi.abi import encode

from bridge.contracts import FOLDER
from clearing.base.hashing import keccak256
from devnet.anvil import Anvil
from devnet.toolchain import node_path

SOURCE = Path(__file__).parent / "PriceContracts.sol"


@cache
def _compiled() -> dict[str, bytes]:
    request = {
        "language": "Solidity",
        "sources": {SOURCE.name: {"content": SOURCE.read_text()}},
        "settings": {"evmVersion": "cancun", "outputSelection": {"*": {"*": ["evm.bytecode.object"]}}},
    }
    done = subprocess.run(
        [node_path(), "solc_standard.js"],
        cwd=FOLDER,
        input=json.dumps(request).encode(),
        capture_output=True,
        check=True,
    )
    answer = json.loads(done.stdout)
    assert not [each for each in answer.get("errors", []) if each["severity"] == "error"], answer["errors"]
    found = answer["contracts"][SOURCE.name]
    return {name: bytes.fromhex(each["evm"]["bytecode"]["object"]) for name, each in found.items()}


class Deployed:
    """One of them."""

    def __init__(self, chain: Anvil, name: str) -> None:
        self._chain = chain
        self._sender = chain.rpc("eth_accounts")[0]
        receipt = self._send({"data": "0x" + _compiled()[name].hex()})
        self.address: str = receipt["contractAddress"]

    def set(self, types: str, *values: Any) -> None:
        """Call `set` with arguments of these types."""
        data = keccak256(f"set({types})".encode())[:4] + encode(types.split(","), values)
        assert self._send({"to": self.address, "data": "0x" + data.hex()})["status"] == "0x1"

    def _send(self, transaction: dict[str, str]) -> Any:
        chain = self._chain
        hash_ = chain.rpc("eth_sendTransaction", transaction | {"from": self._sender, "gas": "0x4c4b40"})
        while (receipt := chain.rpc("eth_getTransactionReceipt", hash_)) is None:
            chain.rpc("evm_mine")
        return receipt
