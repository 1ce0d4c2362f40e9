"""Proofs of collateral events from one endpoint, for anybody who submits them: members, CLI, the API's callers.

Rule: a proof is checked as the validators will check it before it is returned. The validators decide whether the block
is final.
"""

from bridge.codes import BridgeCode
from bridge.evm.events import VAULT_TOPICS
from bridge.evm.header import read_header
from bridge.evm.hexadecimal import hex_data, read_data, read_object, read_quantity
from bridge.evm.receipts import check_receipts_root, read_receipts
from bridge.evm.submission import SubmittedEvent, make_submission, verify_submitted_event
from bridge.rpc.endpoint import Endpoint, Refusal, Result, RpcCall
from clearing.base.errors import RemoteFault


async def prove_events(endpoint: Endpoint, chain_id: int, vault: bytes, transaction: bytes) -> list[SubmittedEvent]:
    """Every deposit, withdrawal and rotation of `vault` in one mined transaction, in order, ready to submit.

    Raises RemoteFault: WRONG_CHAIN, UNTRUSTED_BLOCK when it is not mined, NOT_A_VAULT_EVENT when it has none,
    RECEIPTS_ROOT_MISMATCH and other faults of the endpoint.
    """
    stated, mined = await endpoint.batch(
        (RpcCall("eth_chainId"), RpcCall("eth_getTransactionReceipt", (hex_data(transaction),)))
    )
    if read_quantity(_value(stated), "eth_chainId", 63) != chain_id:
        raise RemoteFault(BridgeCode.WRONG_CHAIN, endpoint.name, expected=chain_id)
    if mined is None:
        raise RemoteFault(BridgeCode.UNTRUSTED_BLOCK, "transaction", hash=transaction)
    fields = read_object(_value(mined), "receipt")
    block_hash = read_data(fields.get("blockHash"), "receipt.blockHash", 32)
    index = read_quantity(fields.get("transactionIndex"), "receipt.transactionIndex", 32)
    number = fields.get("blockNumber")
    block, all_receipts = await endpoint.batch(
        (RpcCall("eth_getBlockByHash", (hex_data(block_hash), False)), RpcCall("eth_getBlockReceipts", (number,)))
    )
    header = read_header(_value(block))
    receipts = read_receipts(_value(all_receipts))
    check_receipts_root(receipts, header.receipts_root)
    logs = receipts[index].logs if index < len(receipts) else ()
    places = [
        place for place, log in enumerate(logs) if log.address == vault and log.topics and log.topics[0] in VAULT_TOPICS
    ]
    if not places:
        raise RemoteFault(BridgeCode.NOT_A_VAULT_EVENT, "transaction", hash=transaction)
    submissions = [make_submission(chain_id, block_hash, receipts, index, place) for place in places]
    for submission in submissions:
        verify_submitted_event(submission, header, chain_id, vault)
    return submissions


def _value(result: Result) -> object:
    if isinstance(result, Refusal):
        raise result.fault("receipt proof")
    return result
