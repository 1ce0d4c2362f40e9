"""What a vault itself recorded since a snapshot, as its escape takes it: deposits, and payments with their proofs.

Rule: the vault checks everything again, so one endpoint is enough: a lie of it only costs a refused call. Proofs of
payments come from the calldata of the transactions that made them. Every read is bounded.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from bridge.contracts import escape, vault
from bridge.contracts.escape import PastDeposit
from bridge.contracts.vault import VaultClaim
from bridge.evm.events import DEPOSITED, WITHDRAWN, Deposited, Withdrawn, read_event
from bridge.evm.hexadecimal import hex_data, hex_quantity, malformed, read_data, read_list, read_object, read_quantity
from bridge.evm.receipts import Log
from bridge.rpc.endpoint import Endpoint, Refusal, RpcCall

LOGS_MAX = 20_000
SPAN_MOST = 10_000
"""Blocks that one request asks for; halved while the endpoint refuses."""


@dataclass(frozen=True, slots=True)
class NumberedDeposit:
    """A deposit of the vault. `hash_after`: the rolling hash up to it."""

    nonce: int
    deposit: PastDeposit
    hash_after: bytes


@dataclass(frozen=True, slots=True)
class ShownPayments:
    """Payments of one transaction, and the proof that it carried."""

    claims: tuple[VaultClaim, ...]
    root_number: int
    siblings: tuple[bytes, ...]


async def deposits_since(endpoint: Endpoint, at: bytes, cursor: int, first_block: int) -> tuple[NumberedDeposit, ...]:
    """Deposits after number `cursor`, in order; those before `first_block` are not looked for. Raises RemoteFault."""
    found = []
    for _, log in await _logs(endpoint, at, DEPOSITED, first_block):
        event = read_event(log)
        if isinstance(event, Deposited) and event.nonce > cursor:
            deposit = PastDeposit(event.token, event.account, event.amount, event.sender)
            found.append(NumberedDeposit(event.nonce, deposit, event.deposits_hash))
    return tuple(sorted(found, key=lambda numbered: numbered.nonce))


async def payments_since(endpoint: Endpoint, at: bytes, count: int, first_block: int) -> tuple[ShownPayments, ...]:
    """The payments of withdrawals from number `count` on, by transaction. A transaction that called the vault through
    another contract is left out: its proof is not in its own calldata. Raises RemoteFault."""
    paying: dict[bytes, None] = {}
    for transaction, log in await _logs(endpoint, at, WITHDRAWN, first_block):
        event = read_event(log)
        if isinstance(event, Withdrawn) and event.nonce >= count:
            paying[transaction] = None
    shown = []
    for transaction in paying:
        (answer,) = await endpoint.batch((RpcCall("eth_getTransactionByHash", (hex_data(transaction),)),))
        if isinstance(answer, Refusal):
            raise answer.fault("eth_getTransactionByHash")
        fields = read_object(answer, "transaction")
        if fields.get("to") is not None and read_data(fields["to"], "to", 20) == at:
            payments = read_payments(read_data(fields.get("input"), "input"))
            shown += [payments] if payments is not None else []
    return tuple(shown)


def read_payments(data: bytes) -> ShownPayments | None:
    """What calldata of `withdraw` or `withdrawBatch` claims and proves; None for other calldata."""
    try:
        if data[:4] == vault.WITHDRAW:
            claim, root, siblings = decode((vault.CLAIM, "uint64", "bytes32[]"), data[4:])
            claims = [claim]
        elif data[:4] == vault.WITHDRAW_BATCH:
            claims, root, siblings = decode((vault.CLAIM + "[]", "uint64", "bytes32[]"), data[4:])
        else:
            return None
    except (DecodingError, OverflowError):
        return None
    return ShownPayments(tuple(map(_claim, claims)), root, tuple(siblings))


def walk_call(deposits: Sequence[NumberedDeposit], hash_before: bytes) -> bytes:
    """The call that shows these deposits, which follow each other."""
    return escape.walk_deposits_call(hash_before, [numbered.deposit for numbered in deposits])


def _claim(decoded: tuple[int, int, str, str, int, int]) -> VaultClaim:
    nonce, account, token, to, amount, not_after_s = decoded
    return VaultClaim(nonce, account, bytes.fromhex(token[2:]), bytes.fromhex(to[2:]), amount, not_after_s)


async def _logs(endpoint: Endpoint, at: bytes, topic: bytes, first_block: int) -> list[tuple[bytes, Log]]:
    """(transaction, log) of one event of the vault, in order."""
    last = read_quantity(await endpoint.call("eth_blockNumber"), "eth_blockNumber")
    found: list[tuple[bytes, Log]] = []
    first, span = first_block, SPAN_MOST
    while first <= last:
        wanted = {
            "address": hex_data(at),
            "topics": [hex_data(topic)],
            "fromBlock": hex_quantity(first),
            "toBlock": hex_quantity(min(first + span - 1, last)),
        }
        (answer,) = await endpoint.batch((RpcCall("eth_getLogs", (wanted,)),))
        if isinstance(answer, Refusal):
            if span == 1:
                raise answer.fault("eth_getLogs")
            span //= 2
            continue
        found += [_read_log(entry) for entry in read_list(answer, "eth_getLogs", LOGS_MAX)]
        if len(found) > LOGS_MAX:
            raise malformed("eth_getLogs", len(found))
        first += span
    return found


def _read_log(entry: object) -> tuple[bytes, Log]:
    fields = read_object(entry, "log")
    topics = tuple(read_data(topic, "topic", 32) for topic in read_list(fields.get("topics"), "topics", 4))
    log = Log(read_data(fields.get("address"), "address", 20), topics, read_data(fields.get("data"), "data"))
    return read_data(fields.get("transactionHash"), "transactionHash", 32), log
