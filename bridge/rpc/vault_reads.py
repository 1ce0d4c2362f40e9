"""A vault's counters and newest checkpoint at a final block, as a quorum of endpoints reports them.

Rule: read only what no reorganisation takes back. Counters are read at a block named by its hash, so that all endpoints
read the same state; a checkpoint's height comes from the state, its header hash from the event, and a quorum must
report both equally. Whether a checkpoint is recent enough is for the caller to judge.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from bridge.codes import BridgeCode
from bridge.contracts.vault import (
    CHECKPOINT_BYTES,
    balance_of_call,
    deposit_nonce_call,
    deposited_call,
    latest_call,
    read_checkpoint,
    withdrawn_call,
)
from bridge.evm.header import BlockHeader
from bridge.evm.hexadecimal import hex_data, hex_quantity, malformed, read_data, read_list, read_object, read_quantity
from bridge.rpc.endpoint import BATCH_MAX, Refusal, Result, RpcCall, view_call
from bridge.rpc.quorum import EndpointQuorum
from bridge.watched_chain import FinalityPolicy, WatchedChain
from clearing.base.codec import u256
from clearing.base.errors import RemoteFault
from clearing.base.hashing import keccak256
from clearing.schema.facts import CustodySeen

CHECKPOINTED = keccak256(b"Checkpointed(uint64,bytes32,uint64)")


async def newest_checkpoint(
    quorum: EndpointQuorum, policy: FinalityPolicy, vault: bytes, deployment_block: int, logs_span: int
) -> tuple[int, bytes]:
    """(height, header hash) of the newest checkpoint in final blocks; (0, b"") when there is none.

    Raises RemoteFault: what the quorum raises, LOGS_UNAVAILABLE when no block holds the event that the state implies.
    """
    final = (await quorum.tips(policy, deployment_block)).final_number
    call = view_call(vault, latest_call(), hex_quantity(final))
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
    return read_checkpoint(read_data(answer, "latest", CHECKPOINT_BYTES)).height


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


NATIVE = bytes(20)
_CALLS_PER_TOKEN = 3


@dataclass(frozen=True, slots=True)
class VaultCustody:
    """Deposit nonce of the vault, if it is known, and the facts of each token, in the order of the chain's tokens."""

    deposit_nonce: int | None
    tokens: tuple[CustodySeen, ...]


async def read_custody(chain: WatchedChain, quorum: EndpointQuorum, block: BlockHeader) -> VaultCustody:
    """Read all counters at `block`, as no endpoint disputes them: two that lie would hide a shortage.

    Raises RemoteFault ENDPOINTS_DISAGREE, ENDPOINT_QUORUM_LOST.
    """
    at = {"blockHash": hex_data(block.hash), "requireCanonical": True}
    calls = [view_call(chain.vault, deposit_nonce_call(), at)]
    for token in chain.tokens:
        calls.append(view_call(chain.vault, deposited_call(token), at))
        calls.append(view_call(chain.vault, withdrawn_call(token), at))
        if token == NATIVE:
            calls.append(RpcCall("eth_getBalance", (hex_data(chain.vault), at)))
        else:
            calls.append(view_call(token, balance_of_call(chain.vault), at))
    words: list[int] = []
    for start in range(0, len(calls), BATCH_MAX):
        batch = calls[start : start + BATCH_MAX]
        words += await quorum.undisputed(batch, partial(_read_words, tuple(call.method for call in batch)))
    facts = (
        CustodySeen(
            chain_id=chain.chain_id,
            vault=chain.vault,
            token=token,
            block_number=block.number,
            block_hash=block.hash,
            deposited=u256(words[1 + _CALLS_PER_TOKEN * index]),
            withdrawn=u256(words[2 + _CALLS_PER_TOKEN * index]),
            balance=u256(words[3 + _CALLS_PER_TOKEN * index]),
        )
        for index, token in enumerate(chain.tokens)
    )
    return VaultCustody(words[0], tuple(facts))


def check_solvent(facts: Sequence[CustodySeen]) -> None:
    """Check that each balance covers deposited minus withdrawn. Raises RemoteFault VAULT_INSOLVENT."""
    for fact in facts:
        deposited, withdrawn, balance = (
            int.from_bytes(word, "big") for word in (fact.deposited, fact.withdrawn, fact.balance)
        )
        if withdrawn > deposited or balance < deposited - withdrawn:
            raise RemoteFault(
                BridgeCode.VAULT_INSOLVENT,
                "vault",
                block=fact.block_number,
                token=fact.token,
                deposited=deposited,
                withdrawn=withdrawn,
                balance=balance,
            )


def _read_words(methods: tuple[str, ...], results: list[Result]) -> tuple[int, ...]:
    return tuple(map(_read_word, methods, results))


def _read_word(method: str, result: Result) -> int:
    """A balance is a quantity, what a call returns is one word of data."""
    if isinstance(result, Refusal):
        raise result.fault(method)
    if method == "eth_getBalance":
        return read_quantity(result, method, 256)
    return int.from_bytes(read_data(result, method, 32), "big")
