"""A vault's counters at a final block, by a quorum of endpoints, and the check that it is solvent.

Rule: read at a block named by its hash, so that all endpoints read the same state.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.chain import WatchedChain
from bridge.codes import BridgeCode
from bridge.contracts import vault
from bridge.evm.header import BlockHeader
from bridge.evm.hexadecimal import hex_data, read_data, read_quantity
from bridge.rpc.endpoint import BATCH_MAX, Refusal, Result, RpcCall
from bridge.rpc.quorum import EndpointQuorum
from clearing.base.codec import u256
from clearing.base.errors import RemoteFault
from clearing.schema.facts import CustodySeen

NATIVE = bytes(20)

_CALLS_PER_TOKEN = 3


@dataclass(frozen=True, slots=True)
class VaultCustody:
    """Deposit nonce of the vault and the facts of each token, in the order of the chain's tokens."""

    deposit_nonce: int
    tokens: tuple[CustodySeen, ...]


async def read_custody(chain: WatchedChain, quorum: EndpointQuorum, block: BlockHeader) -> VaultCustody:
    """Read all counters at `block`. Raises RemoteFault ENDPOINTS_DISAGREE, ENDPOINT_QUORUM_LOST."""
    at = {"blockHash": hex_data(block.hash), "requireCanonical": True}
    calls = [_view(chain.vault, vault.deposit_nonce_call(), at)]
    for token in chain.tokens:
        calls.append(_view(chain.vault, vault.deposited_call(token), at))
        calls.append(_view(chain.vault, vault.withdrawn_call(token), at))
        if token == NATIVE:
            calls.append(RpcCall("eth_getBalance", (hex_data(chain.vault), at)))
        else:
            calls.append(_view(token, vault.balance_of_call(chain.vault), at))
    words: list[int] = []
    for start in range(0, len(calls), BATCH_MAX):
        words += await quorum.agreed(calls[start : start + BATCH_MAX], _read_words)
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


def _view(to: bytes, data: bytes, at: dict[str, object]) -> RpcCall:
    return RpcCall("eth_call", ({"to": hex_data(to), "data": hex_data(data)}, at))


def _read_words(results: list[Result]) -> tuple[int, ...]:
    return tuple(map(_read_word, results))


def _read_word(result: Result) -> int:
    if isinstance(result, Refusal):
        raise result.fault("eth_call")
    # A balance is a quantity, a call's result one word of data: 66 characters.
    if isinstance(result, str) and len(result) != 66:
        return read_quantity(result, "eth_getBalance", 256)
    return int.from_bytes(read_data(result, "eth_call", 32), "big")
