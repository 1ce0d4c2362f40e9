"""The newest checkpoint that a vault accepted, as a quorum of endpoints reports: height and header hash.

Rule: read at the final height only, so that no reorganisation takes it back; the height comes from the vault's state,
the hash from its event, and a quorum must report both equally. Whether it is recent enough is for the caller to judge.
"""

from bridge.chain import FinalityPolicy
from bridge.codes import BridgeCode
from bridge.contracts.vault import latest_call, read_checkpoint
from bridge.evm.hexadecimal import hex_data, hex_quantity, malformed, read_data, read_list, read_object
from bridge.rpc.endpoint import Refusal, Result, RpcCall
from bridge.rpc.quorum import EndpointQuorum
from clearing.base.codec import u256
from clearing.base.errors import RemoteFault
from clearing.base.hashing import keccak256

CHECKPOINTED = keccak256(b"Checkpointed(uint64,bytes32,uint64)")

_LATEST_BYTES = 6 * 32


async def newest_checkpoint(
    quorum: EndpointQuorum, policy: FinalityPolicy, vault: bytes, deployment_block: int, logs_span: int
) -> tuple[int, bytes]:
    """(height, header hash) of the newest checkpoint in final blocks; (0, b"") when there is none.

    Raises RemoteFault: what the quorum raises, LOGS_UNAVAILABLE when no block holds the event that the state implies.
    """
    final = (await quorum.tips(policy, deployment_block)).final_number
    call = RpcCall("eth_call", ({"to": hex_data(vault), "data": hex_data(latest_call())}, hex_quantity(final)))
    height = await quorum.agreed((call,), _read_height)
    if height == 0:
        return 0, b""
    last = final
    while last >= deployment_block:
        first = max(deployment_block, last - logs_span + 1)
        wanted = {
            "address": hex_data(vault),
            "topics": [hex_data(CHECKPOINTED), hex_data(u256(height))],
            "fromBlock": hex_quantity(first),
            "toBlock": hex_quantity(last),
        }
        hash_ = await quorum.agreed((RpcCall("eth_getLogs", (wanted,)),), lambda results: _read_hash(results, height))
        if hash_:
            return height, hash_
        last = first - 1
    raise RemoteFault(BridgeCode.LOGS_UNAVAILABLE, "checkpoint", height=height, vault=vault)


def _read_height(results: list[Result]) -> int:
    answer = results[0]
    if isinstance(answer, Refusal):
        raise answer.fault("latest")
    return read_checkpoint(read_data(answer, "latest", _LATEST_BYTES)).height


def _read_hash(results: list[Result], height: int) -> bytes:
    """The header hash in the one log of this height, empty when there is none. A vault logs a height once."""
    answer = results[0]
    if isinstance(answer, Refusal):
        raise answer.fault("eth_getLogs")
    logs = read_list(answer, "logs", 1)
    if not logs:
        return b""
    topics = read_list(read_object(logs[0], "log").get("topics"), "log.topics", 4)
    words = [read_data(topic, "log.topic", 32) for topic in topics]
    if len(words) != 3 or words[:2] != [CHECKPOINTED, u256(height)]:
        raise malformed("log.topics", len(words))
    return words[2]
