"""Sending transactions: EIP-1559 fees, replacement when one is stuck, and one outcome however often it is sent.

Rule: one transaction of a key at a time. Every hash that was ever sent for it is remembered, and what is mined under
any of them is the outcome; an endpoint's complaint is believed only after looking for a receipt.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from bridge.codes import BridgeCode
from bridge.evm.hexadecimal import hex_data, read_data, read_object, read_quantity
from bridge.rpc.endpoint import Endpoint, Refusal, RpcCall
from clearing.base.errors import RemoteFault
from clearing.base.plain_json import bound_recursion

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

ATTEMPTS = 8
POLL_SECONDS = 0.2
_KNOWN = ("already known", "already imported", "known transaction")
_USED = ("nonce too low", "nonce is too low")
_CHEAP = ("underpriced", "fee too low", "max fee per gas less than block base fee")


@dataclass(frozen=True, slots=True)
class FeePolicy:
    """The first bid is twice the base fee plus `tip`; each next one an eighth more, never above `cap`. In wei."""

    tip: int = 1_000_000_000
    cap: int = 1_000_000_000_000
    wait_seconds: float = 30.0
    """How long one bid may wait before the next."""


@dataclass(frozen=True, slots=True)
class Mined:
    """A transaction that succeeded."""

    hash: bytes
    block_number: int
    gas_used: int


@dataclass(frozen=True, slots=True)
class _Bid:
    nonce: int
    gas: int
    max_fee: int
    tip: int

    def raised(self, cap: int) -> "_Bid":
        """An eighth more of both: nodes want at least a tenth to replace one transaction by another."""
        return _Bid(self.nonce, self.gas, min(self.max_fee + self.max_fee // 8 + 1, cap), self.tip + self.tip // 8 + 1)


def _account_of(secret: bytes) -> "LocalAccount":
    # Here, because it costs more than a third of the time in which a node starts, and few nodes pay for transactions.
    from eth_account import Account

    bound_recursion()  # eth-account and py-ecc raise it
    account: LocalAccount = Account.from_key(secret)
    return account


class Sender:
    """Sends as one key on one chain. Never use one key in two processes."""

    def __init__(self, endpoint: Endpoint, chain_id: int, secret: bytes, fees: FeePolicy | None = None) -> None:
        self._endpoint = endpoint
        self._chain_id = chain_id
        self._account = _account_of(secret)
        self._fees = fees or FeePolicy()
        self._lock = trio.Lock()

    @property
    def address(self) -> bytes:
        """20 bytes."""
        return bytes.fromhex(self._account.address[2:])

    async def send(self, to: bytes, data: bytes, gas_least: int = 0) -> Mined:
        """Send calldata to a contract and wait until it is mined.

        `gas_least`: the limit where the estimate is below it, for calls whose cost others can raise after the estimate;
        what is not used is not paid for. Raises RemoteFault: TRANSACTION_REVERTED (already when gas is estimated, at no
        cost), TRANSACTION_REFUSED, TRANSACTION_NOT_MINED, or an endpoint's fault.
        """
        async with self._lock:
            sent: list[bytes] = []
            bid = await self._first_bid(to, data, gas_least)
            for _ in range(ATTEMPTS):
                raw, hash_ = self._sign(bid, to, data)
                if hash_ not in sent:
                    sent.append(hash_)
                refusal = await self._submit(raw)
                complaint = refusal.message.lower() if refusal else ""
                used = any(phrase in complaint for phrase in _USED)
                mined = await self._wait(sent, 0 if used else self._fees.wait_seconds if _is_sent(complaint) else 0)
                if mined is not None:
                    return mined
                if used:
                    # Another transaction of this key took the nonce, and none of ours was mined under it.
                    sent, bid = [], await self._first_bid(to, data, gas_least)
                elif _is_sent(complaint) or any(phrase in complaint for phrase in _CHEAP):
                    bid = bid.raised(self._fees.cap)
                else:
                    raise RemoteFault(BridgeCode.TRANSACTION_REFUSED, "send", message=complaint)
            raise RemoteFault(
                BridgeCode.TRANSACTION_NOT_MINED, "send", nonce=bid.nonce, max_fee=bid.max_fee, transaction=hash_
            )

    async def _first_bid(self, to: bytes, data: bytes, gas_least: int) -> _Bid:
        sender = self._account.address
        call = {"from": sender, "to": hex_data(to), "data": hex_data(data)}
        gas, block, count = await self._endpoint.batch(
            (
                RpcCall("eth_estimateGas", (call,)),
                RpcCall("eth_getBlockByNumber", ("latest", False)),
                RpcCall("eth_getTransactionCount", (sender, "latest")),
            )
        )
        if isinstance(gas, Refusal) and not gas.is_revert:
            raise gas.fault("eth_estimateGas")
        if isinstance(gas, Refusal):
            revert = gas.data[:200] if isinstance(gas.data, str) else type(gas.data).__name__
            raise RemoteFault(BridgeCode.TRANSACTION_REVERTED, "estimate", message=gas.message, revert=revert)
        base_fee = read_quantity(read_object(block, "block").get("baseFeePerGas"), "baseFeePerGas", 128)
        return _Bid(
            nonce=read_quantity(count, "nonce"),
            gas=max(read_quantity(gas, "gas") * 5 // 4, gas_least),
            max_fee=min(2 * base_fee + self._fees.tip, self._fees.cap),
            tip=self._fees.tip,
        )

    def _sign(self, bid: _Bid, to: bytes, data: bytes) -> tuple[bytes, bytes]:
        signed = self._account.sign_transaction(
            {
                "type": 2,
                "chainId": self._chain_id,
                "nonce": bid.nonce,
                "to": to,
                "value": 0,
                "data": data,
                "gas": bid.gas,
                "maxFeePerGas": bid.max_fee,
                "maxPriorityFeePerGas": min(bid.tip, bid.max_fee),
            }
        )
        return bytes(signed.raw_transaction), bytes(signed.hash)

    async def _submit(self, raw: bytes) -> Refusal | None:
        (result,) = await self._endpoint.batch((RpcCall("eth_sendRawTransaction", (hex_data(raw),)),))
        return result if isinstance(result, Refusal) else None

    async def _wait(self, sent: list[bytes], seconds: float) -> Mined | None:
        """The outcome of any of the hashes, for at most `seconds`; looks at least once."""
        deadline = trio.current_time() + seconds
        calls = [RpcCall("eth_getTransactionReceipt", (hex_data(hash_),)) for hash_ in sent]
        while True:
            for hash_, result in zip(sent, await self._endpoint.batch(calls), strict=True):
                if result is not None and not isinstance(result, Refusal):
                    return _read_mined(hash_, result)
            if trio.current_time() >= deadline:
                return None
            await trio.sleep(min(POLL_SECONDS, max(deadline - trio.current_time(), 0.0)))


def _is_sent(answer: str) -> bool:
    return not answer or any(word in answer for word in _KNOWN)


def _read_mined(hash_: bytes, result: object) -> Mined:
    fields = read_object(result, "receipt")
    if read_data(fields.get("transactionHash"), "receipt.transactionHash", 32) != hash_:
        raise RemoteFault(BridgeCode.MALFORMED_ANSWER, "receipt", transaction=hash_)
    number = read_quantity(fields.get("blockNumber"), "receipt.blockNumber", 63)
    if read_quantity(fields.get("status"), "receipt.status", 1) != 1:
        raise RemoteFault(BridgeCode.TRANSACTION_REVERTED, "mined", transaction=hash_, block=number)
    return Mined(hash_, number, read_quantity(fields.get("gasUsed"), "receipt.gasUsed"))
