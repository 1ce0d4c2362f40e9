"""Events of the vault that others submit: found by their transaction or by a receipt proof, and proven here.

Rule: the submitter is not trusted. Where a transaction is, a quorum of endpoints says; the event is read from receipts
that rebuild the root of a header that a quorum agrees on. It is a fact only once its block is final here, and still on
the main chain then.
"""

from collections import Counter
from dataclasses import dataclass

from bridge.codes import BridgeCode
from bridge.evm.events import SubmittedEvent, event_fact, verify_submitted_event
from bridge.evm.hexadecimal import hex_data, read_data, read_list, read_object, read_quantity
from bridge.evm.receipts import LOGS_MAX
from bridge.rpc.endpoint import Result, RpcCall, accepted
from bridge.rpc.quorum import EndpointQuorum
from bridge.watch.cursor import ScanCursor
from bridge.watch.scanner import ProvenLog, VaultScanner
from bridge.watched_chain import WatchedChain
from clearing.base.errors import RemoteFault
from clearing.schema.facts import VaultFact


class SubmittedEventReader:
    """Reads submitted events of one vault. It keeps nothing."""

    def __init__(self, chain: WatchedChain, quorum: EndpointQuorum) -> None:
        self._chain = chain
        self._quorum = quorum
        self._scanner = VaultScanner(chain, quorum)

    async def of_transaction(self, transaction: bytes) -> tuple[VaultFact, ...]:
        """The vault's events in a mined transaction, in order; its block may not be final.

        Raises RemoteFault SUBMISSION_NOT_FOUND while no quorum has it, NOT_A_VAULT_EVENT when it has none, and faults
        of the endpoints.
        """
        place = await self._place_of(transaction)
        proven: list[ProvenLog] = []
        if place.has_logs_of_vault:
            header = await self._quorum.header_by_hash(place.block_hash)
            logs = await self._scanner.proven_logs(header)
            proven = [log for log in logs if log.receipt_index == place.receipt_index]
        if not proven:
            raise RemoteFault(BridgeCode.NOT_A_VAULT_EVENT, "transaction", hash=transaction)
        return tuple(
            event_fact(self._chain.chain_id, log.log, log.event, log.block, log.receipt_index, log.log_index)
            for log in proven
        )

    async def of_proof(self, submission: SubmittedEvent) -> VaultFact:
        """The event that a receipt proof proves; its block may not be final.

        Raises RemoteFault UNTRUSTED_BLOCK while no quorum has its block, those of `verify_submitted_event`, and faults
        of the endpoints.
        """
        header = await self._quorum.header_by_hash(submission.block_hash)
        layout = self._quorum.layout.receipts
        return verify_submitted_event(submission, header, self._chain.chain_id, self._chain.vault, layout)

    async def check_final(self, fact: VaultFact, cursor: ScanCursor | None) -> None:
        """Check that the block of a fact was scanned as final, and that no endpoint disputes it now.

        Raises RemoteFault UNTRUSTED_BLOCK, those of `VaultScanner.check_anchored`, and faults of the endpoints.
        """
        scanned = cursor.number if cursor is not None else 0
        untrusted = RemoteFault(BridgeCode.UNTRUSTED_BLOCK, "submission", number=fact.block_number, scanned=scanned)
        if cursor is None or fact.block_number > scanned:
            raise untrusted
        if cursor.hash_at(fact.block_number) not in (None, fact.block_hash):
            raise untrusted
        # A block older than the ring may have been agreed on by liars only.
        (header,) = await self._quorum.final_headers((fact.block_number,))
        if header.hash != fact.block_hash:
            raise untrusted
        if cursor.hash_at(fact.block_number) is None:
            await self._scanner.check_anchored(header)

    async def _place_of(self, transaction: bytes) -> "_Place":
        """Where a quorum has it. No endpoint is blamed for lacking what is new, or what a submitter made up."""
        calls = (RpcCall("eth_getTransactionReceipt", (hex_data(transaction),)),)
        answers = await self._quorum.read(calls, lambda results: _read_place(results[0], self._chain.vault))
        found = Counter(place for place in answers.values() if place is not None)
        for place, votes in found.items():
            if votes >= self._quorum.quorum:
                return place
        raise RemoteFault(BridgeCode.SUBMISSION_NOT_FOUND, "transaction", hash=transaction)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a transaction was mined, as an endpoint says; without logs of the vault there is nothing to prove."""

    block_hash: bytes
    receipt_index: int
    has_logs_of_vault: bool


def _read_place(result: Result, vault: bytes) -> _Place | None:
    """Out of an answer to `eth_getTransactionReceipt`; None: not mined."""
    if result is None:
        return None
    fields = read_object(accepted(result, "eth_getTransactionReceipt"), "receipt")
    logs = [read_object(log, "log") for log in read_list(fields.get("logs"), "receipt.logs", LOGS_MAX)]
    emitters = {read_data(log.get("address"), "log.address", 20) for log in logs}
    return _Place(
        read_data(fields.get("blockHash"), "receipt.blockHash", 32),
        read_quantity(fields.get("transactionIndex"), "receipt.transactionIndex", 32),
        vault in emitters,
    )
