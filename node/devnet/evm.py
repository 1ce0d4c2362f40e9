"""A devnet's hand on one EVM chain: signed transactions over JSON-RPC, waited for until they are mined.

Rule: one nonce counter a wallet and chain, so that many transactions can be under way at once. A reverted transaction
is a failure that names the call.
"""

from collections.abc import Sequence

import trio
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address

from bridge.rpc import Call, Endpoint
from bridge.vault import balance_of_call
from clearing.base.errors import LocalFault
from clearing.base.nesting import bound_recursion
from node.devnet.codes import DevnetCode

bound_recursion()  # eth-account and py-ecc raise it

GAS_LIMIT = 3_000_000
TIP_WEI = 1_000_000_000
FEE_WEI = 100_000_000_000
POLL_SECONDS = 0.1
WAIT_SECONDS = 60


class Wallet:
    """A key that pays and signs on one chain."""

    def __init__(self, endpoint: Endpoint, chain_id: int, secret: bytes) -> None:
        self._endpoint = endpoint
        self._chain_id = chain_id
        self._account: LocalAccount = Account.from_key(secret)
        self._nonce: int | None = None
        self._lock = trio.Lock()

    @property
    def address(self) -> bytes:
        """20 bytes."""
        return bytes.fromhex(self._account.address[2:])

    async def send(self, to: bytes, data: bytes, value: int = 0) -> str:
        """Sign and send; returns the transaction hash at once. Raises LocalFault when the node refuses it."""
        async with self._lock:
            if self._nonce is None:
                address = self._account.address
                self._nonce = int(str(await self._endpoint.call("eth_getTransactionCount", address, "pending")), 16)
            signed = self._account.sign_transaction(
                {
                    "chainId": self._chain_id,
                    "nonce": self._nonce,
                    "to": to_checksum_address(to),
                    "value": value,
                    "data": data,
                    "gas": GAS_LIMIT,
                    "maxFeePerGas": FEE_WEI,
                    "maxPriorityFeePerGas": TIP_WEI,
                    "type": 2,
                }
            )
            raw = "0x" + bytes(signed.raw_transaction).hex()
            sent = str(await self._endpoint.call("eth_sendRawTransaction", raw))
            self._nonce += 1
        return sent

    async def mined(self, transaction: str, what: str) -> dict[str, object]:
        """The receipt. Raises LocalFault when the transaction reverted or is not mined in a minute."""
        with trio.move_on_after(WAIT_SECONDS):
            while True:
                receipt = await self._endpoint.call("eth_getTransactionReceipt", transaction)
                if isinstance(receipt, dict):
                    if receipt.get("status") == "0x1":
                        return receipt
                    break
                await trio.sleep(POLL_SECONDS)
        raise LocalFault(DevnetCode.CHAIN_TRANSACTION_FAILED, what, chain_id=self._chain_id, transaction=transaction)

    async def token_balance(self, token: bytes) -> int:
        """Base units of an ERC-20 token that the wallet holds."""
        call = {"to": "0x" + token.hex(), "data": "0x" + balance_of_call(self.address).hex()}
        return int(str(await self._endpoint.call("eth_call", call, "latest")), 16)

    async def execute(self, to: bytes, data: bytes, what: str) -> dict[str, object]:
        """Send and wait for the receipt."""
        return await self.mined(await self.send(to, data), what)


async def fund(endpoint: Endpoint, addresses: Sequence[bytes], wei: int) -> None:
    """Give each address native coin, by anvil's own word: devnets have no faucet."""
    for address in addresses:
        await endpoint.batch([Call("anvil_setBalance", ("0x" + address.hex(), hex(wei)))])
