"""A submitter of an event makes endpoints look for it, and neither has an honest one blamed nor much read in vain."""

import pytest

from bridge.codes import BridgeCode
from bridge.watch.submitted_events import SubmittedEventReader
from tests.kit.bridge.watched_chain import Chain
from tests.kit.refusals import refused

pytestmark = pytest.mark.chain


def transaction_of(receipt: dict) -> bytes:
    return bytes.fromhex(receipt["transactionHash"][2:])


def lacks_receipts(call, result):
    """An endpoint that is a block behind the others."""
    return None if call.method == "eth_getTransactionReceipt" else result


async def test_an_endpoint_that_lags_is_not_blamed_and_a_quorum_of_others_will_do(chain: Chain, liar, watched) -> None:
    transaction = transaction_of(chain.deposited(1))
    w = watched(liar(), liar(), liar(lacks_receipts), quorum=2)
    (fact,) = await SubmittedEventReader(chain.profile, w.quorum).of_transaction(transaction)
    assert fact.nonce == 1
    assert [health.faults_total for health in w.quorum.health] == [0, 0, 0]


async def test_less_than_a_quorum_has_found_nothing(chain: Chain, liar, watched) -> None:
    transaction = transaction_of(chain.deposited(1))
    w = watched(liar(), liar(lacks_receipts), liar(lacks_receipts), quorum=2)
    with refused(BridgeCode.SUBMISSION_NOT_FOUND):
        await SubmittedEventReader(chain.profile, w.quorum).of_transaction(transaction)
    assert [health.faults_total for health in w.quorum.health] == [0, 0, 0]


async def test_endpoints_that_name_different_blocks_have_found_nothing(chain: Chain, liar, watched) -> None:
    def another_block(call, result):
        is_receipt = call.method == "eth_getTransactionReceipt"
        return {**result, "blockHash": "0x" + "22" * 32} if is_receipt else result

    transaction = transaction_of(chain.deposited(1))
    w = watched(liar(), liar(another_block), quorum=2)
    with refused(BridgeCode.SUBMISSION_NOT_FOUND):
        await SubmittedEventReader(chain.profile, w.quorum).of_transaction(transaction)


async def test_of_a_transaction_without_events_of_the_vault_no_block_is_read(chain: Chain, liar, watched) -> None:
    chain.deposited(1)
    other = chain.deploy_emitter()
    transaction = transaction_of(chain.send(bytes(128), other.vault))
    source = liar()
    w = watched(source)
    with refused(BridgeCode.NOT_A_VAULT_EVENT):
        await SubmittedEventReader(chain.profile, w.quorum).of_transaction(transaction)
    assert source.asked == ["eth_getTransactionReceipt"]


async def test_a_log_that_is_no_event_of_the_vault_is_refused_after_a_look_at_the_block(
    chain: Chain, liar, watched
) -> None:
    transaction = transaction_of(chain.emit((bytes(32),) * 4, b""))
    w = watched(liar())
    with refused(BridgeCode.NOT_A_VAULT_EVENT):
        await SubmittedEventReader(chain.profile, w.quorum).of_transaction(transaction)


@pytest.mark.parametrize("logs", [None, {}, [3], [{}], [{"address": "0x12"}], [{"address": None}]])
async def test_a_receipt_of_an_odd_shape_is_a_fault_of_its_endpoint(chain: Chain, liar, watched, logs) -> None:
    def odd(call, result):
        return {**result, "logs": logs} if call.method == "eth_getTransactionReceipt" else result

    transaction = transaction_of(chain.deposited(1))
    w = watched(liar(), liar(), liar(odd), quorum=2)
    assert len(await SubmittedEventReader(chain.profile, w.quorum).of_transaction(transaction)) == 1
    assert [health.faults_total for health in w.quorum.health] == [0, 0, 1]
