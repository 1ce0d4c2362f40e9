"""The headers that a vault accepted, read back from its events and from the calldata by which it got them.

Rule: nothing here is believed: hashes must lead to the history that the vault has, and words to their hash, so that one
endpoint is enough. A choice of the cold quorum undoes the headers from its height on.
"""

from dataclasses import dataclass

from bridge.codes import BridgeCode
from bridge.contracts.conflicts import certificate_in, extended_history, words_in
from bridge.contracts.schemes import CertificateScheme
from bridge.contracts.vault import CHECKPOINT_BYTES, VaultCertificate, latest_call, read_checkpoint
from bridge.evm.events import BRANCH_CHOSEN, CHECKPOINTED, read_checkpointed
from bridge.evm.hexadecimal import hex_data, malformed, read_data, read_object
from bridge.relay.vault_records import LogsBack
from bridge.rpc.endpoint import Endpoint, view_call
from clearing.base.errors import RemoteFault
from clearing.base.header_words import HeaderWords

NO_HISTORY = bytes(32)


@dataclass(frozen=True, slots=True)
class TakenHeader:
    """A header that the vault accepted, and that still counts. `before`: its history until then."""

    height: int
    header_hash: bytes
    transaction: bytes
    before: bytes


async def taken_headers(endpoint: Endpoint, at: bytes, first_block: int) -> tuple[TakenHeader, ...]:
    """All of them, in ascending order. `first_block`: the vault's deployment, or before.

    Raises RemoteFault: of the endpoint, and MALFORMED_ANSWER when they don't lead to the vault's history, as while it
    accepts another one.
    """
    logs, sent = LogsBack(endpoint, at, (CHECKPOINTED, BRANCH_CHOSEN), first_block), []
    while (span := await logs.take()) is not None:
        sent += span
    taken: list[TakenHeader] = []
    for each in reversed(sent):
        event = read_checkpointed(each.log)
        if event is None:
            taken = _chosen(taken)
            continue
        taken.append(TakenHeader(event.height, event.header_hash, each.transaction, _history(taken)))
    (answer,) = await endpoint.views([view_call(at, latest_call())], CHECKPOINT_BYTES)
    known = read_checkpoint(answer).history
    if _history(taken) != known:
        raise malformed("history", _history(taken).hex())
    return tuple(taken)


def _chosen(taken: list[TakenHeader]) -> list[TakenHeader]:
    """After the cold quorum's choice, which is the newest: those below it, and it."""
    if not taken:
        return taken
    below = [each for each in taken[:-1] if each.height < taken[-1].height]
    newest = taken[-1]
    return [*below, TakenHeader(newest.height, newest.header_hash, newest.transaction, _history(below))]


def _history(taken: list[TakenHeader]) -> bytes:
    return extended_history(taken[-1].before, taken[-1].header_hash) if taken else NO_HISTORY


async def calldata_of(endpoint: Endpoint, transaction: bytes) -> bytes:
    """Of a mined transaction. Raises RemoteFault."""
    answer = await endpoint.call("eth_getTransactionByHash", hex_data(transaction))
    return read_data(read_object(answer, "transaction").get("input"), "input")


async def words_taken(endpoint: Endpoint, header: TakenHeader) -> HeaderWords:
    """The words by which the vault got a header. Raises RemoteFault HEADER_NOT_FOUND where calldata hides them."""
    found = words_in(await calldata_of(endpoint, header.transaction), header.header_hash)
    if found is None:
        raise RemoteFault(BridgeCode.HEADER_NOT_FOUND, "calldata", transaction=header.transaction, height=header.height)
    return found


async def certificate_taken(
    endpoint: Endpoint, header: TakenHeader, scheme: CertificateScheme
) -> tuple[HeaderWords, VaultCertificate] | None:
    """The header with the certificate by which the vault took it, as far as it stands in calldata; not checked."""
    calldata = await calldata_of(endpoint, header.transaction)
    words = words_in(calldata, header.header_hash)
    certificate = certificate_in(calldata, words, scheme) if words is not None else None
    return (words, certificate) if words is not None and certificate is not None else None
