"""Proofs requested from endpoints: storage proofs of a vault's counters, and receipt proofs of collateral events.

Rule: a proof is checked as the validators will check it before it is returned, so any endpoint may deliver it. A
storage proof must prove, under the hash of the block, exactly the counters that a quorum of endpoints reported.
Request it in time: most nodes keep the states of the last 128 blocks only. Whether a block is final is for the
validators to decide.
"""

from collections.abc import Mapping, Sequence

from bridge.codes import BridgeCode
from bridge.evm.events import VAULT_TOPICS, SubmittedEvent, make_submission, verify_submitted_event
from bridge.evm.header import BlockHeader, header_bytes, read_header
from bridge.evm.hexadecimal import hex_data, read_data, read_list, read_object, read_quantity
from bridge.evm.layouts import ChainLayout, HeaderLayout
from bridge.rpc.block_receipts import fetch_receipts
from bridge.rpc.endpoint import Endpoint, Result, RpcCall, accepted
from bridge.rpc.quorum import EndpointQuorum
from bridge.rpc.vault_reads import NATIVE, VaultCustody
from bridge.watched_chain import WatchedChain
from clearing.base.codec import u256
from clearing.base.errors import LocalFault, RemoteFault
from clearing.base.evm.evidence import NODE_BYTES_MAX, BlockEvidence, Counters, Custodian, select_evidence
from clearing.base.evm.storage import VAULT_DEPOSITED, VAULT_WITHDRAWN, vault_storage_key
from clearing.base.hashing import keccak256
from clearing.schema.facts import CustodySeen

DEPTH_MAX = 64
"""Nodes of one proof."""
TOKENS_MAX = 64
"""Tokens whose proofs are requested at once: one call more than tokens, one of which has two words a token."""


async def fetch_evidence(chain: WatchedChain, quorum: EndpointQuorum, facts: Sequence[CustodySeen]) -> BlockEvidence:
    """The evidence of these facts, all of one block of `chain`, from the first endpoint whose answer proves them.

    No endpoint is blamed: one may know no `eth_getProof`, or have dropped the state, and serve everything else. Many
    tokens are asked for in parts, each of which may come from another endpoint: hashes bind the nodes.

    Raises LocalFault WRONG_CHAIN for facts of several blocks or another vault; RemoteFault of the last endpoint:
    STORAGE_PROOF_DIFFERS, HEADER_HASH_MISMATCH, MALFORMED_ANSWER, BAD_TRIE_PROOF, ENDPOINT_REFUSED and the like.
    """
    places = {(fact.chain_id, fact.vault, fact.block_number, fact.block_hash) for fact in facts}
    if len(places) != 1 or next(iter(places))[:2] != (chain.chain_id, chain.vault):
        raise LocalFault(BridgeCode.WRONG_CHAIN, "custody facts", blocks=len(places), chain_id=chain.chain_id)
    parts = [
        await _fetch_part(chain, quorum, facts[start : start + TOKENS_MAX])
        for start in range(0, len(facts), TOKENS_MAX)
    ]
    if len(parts) == 1:
        return parts[0]
    pool: dict[bytes, bytes] = {keccak256(node): node for part in parts for node in part.nodes}
    return select_evidence(chain.chain_id, parts[0].header, pool, _custodians(chain, facts))[0]


async def _fetch_part(chain: WatchedChain, quorum: EndpointQuorum, facts: Sequence[CustodySeen]) -> BlockEvidence:
    wanted = _custodians(chain, facts)
    return await quorum.proven(
        _calls(wanted, facts[0].block_hash),
        lambda results: _check_answer(chain.chain_id, quorum.layout.header, wanted, facts, results),
        blame=False,
    )


async def prove_custody(chain: WatchedChain, quorum: EndpointQuorum, block: BlockHeader) -> VaultCustody:
    """The counters at `block` of every token whose balance its state proves, from one endpoint's proof; no nonce.

    For want of a quorum that has the block's state. Raises RemoteFault as `fetch_evidence`, and STORAGE_PROOF_DIFFERS
    where genesis says of no token where it keeps balances.
    """
    tokens = [token for token in chain.tokens if token == NATIVE or chain.balances_of(token).is_known]
    if not tokens:
        raise RemoteFault(BridgeCode.STORAGE_PROOF_DIFFERS, "balances", tokens=len(chain.tokens), known=0)
    found: list[CustodySeen] = []
    for start in range(0, len(tokens), TOKENS_MAX):
        part = tokens[start : start + TOKENS_MAX]
        wanted = tuple(Custodian(chain.vault, token, chain.balances_of(token)) for token in part)

        def judge(results: Sequence[Result], wanted: Sequence[Custodian] = wanted) -> tuple[Counters, ...]:
            return _proven_counters(chain.chain_id, quorum.layout.header, wanted, block.hash, results)[1]

        counters = await quorum.proven(_calls(wanted, block.hash), judge, blame=False)
        found += [_custody_fact(chain, block, token, words) for token, words in zip(part, counters, strict=True)]
    return VaultCustody(None, tuple(found))


def _custody_fact(chain: WatchedChain, block: BlockHeader, token: bytes, counters: Counters) -> CustodySeen:
    return CustodySeen(
        chain_id=chain.chain_id,
        vault=chain.vault,
        token=token,
        block_number=block.number,
        block_hash=block.hash,
        deposited=u256(counters.deposited),
        withdrawn=u256(counters.withdrawn),
        balance=u256(counters.balance or 0),
    )


def _custodians(chain: WatchedChain, facts: Sequence[CustodySeen]) -> tuple[Custodian, ...]:
    return tuple(Custodian(fact.vault, fact.token, chain.balances_of(fact.token)) for fact in facts)


def _check_answer(
    chain_id: int,
    layout: HeaderLayout,
    wanted: Sequence[Custodian],
    facts: Sequence[CustodySeen],
    results: Sequence[Result],
) -> BlockEvidence:
    """The evidence in an endpoint's answers to `eth_getBlockByHash` and `eth_getProof`. Raises as `fetch_evidence`."""
    evidence, counters = _proven_counters(chain_id, layout, wanted, facts[0].block_hash, results)
    for fact, found in zip(facts, counters, strict=True):
        check_counters(fact, found)
    return evidence


def _proven_counters(
    chain_id: int, layout: HeaderLayout, wanted: Sequence[Custodian], block_hash: bytes, results: Sequence[Result]
) -> tuple[BlockEvidence, tuple[Counters, ...]]:
    header = header_bytes(accepted(results[0], "eth_getBlockByHash"), layout)
    if keccak256(header) != block_hash:
        raise RemoteFault(BridgeCode.HEADER_HASH_MISMATCH, "header", stated=block_hash, computed=keccak256(header))
    pool: dict[bytes, bytes] = {}
    for result in results[1:]:
        pool |= _nodes(accepted(result, "eth_getProof"), 2 * len(wanted))
    return select_evidence(chain_id, header, pool, wanted)


def check_counters(fact: CustodySeen, found: Counters) -> None:
    """Whether a block's state proves what the quorum reported of it. Raises RemoteFault STORAGE_PROOF_DIFFERS."""
    pairs = (
        ("deposited", fact.deposited, found.deposited),
        ("withdrawn", fact.withdrawn, found.withdrawn),
        ("balance", fact.balance, found.balance),
    )
    for name, word, proven in pairs:
        reported = int.from_bytes(word, "big")
        if proven is not None and proven != reported:
            raise RemoteFault(
                BridgeCode.STORAGE_PROOF_DIFFERS,
                name,
                token=fact.token,
                block=fact.block_number,
                reported=reported,
                proven=proven,
            )


def _calls(wanted: Sequence[Custodian], block_hash: bytes) -> list[RpcCall]:
    """One proof of the vault with all counters, one of each token that has a place for balances."""
    at = {"blockHash": hex_data(block_hash), "requireCanonical": True}
    places = [
        vault_storage_key(mapping, custodian.token)
        for custodian in wanted
        for mapping in (VAULT_DEPOSITED, VAULT_WITHDRAWN)
    ]
    asked = [(wanted[0].vault, places)]
    asked += [
        (custodian.token, [custodian.balances.place(custodian.vault)])
        for custodian in wanted
        if custodian.balances.is_known and custodian.token != NATIVE
    ]
    proofs = [RpcCall("eth_getProof", (hex_data(address), list(map(hex_data, keys)), at)) for address, keys in asked]
    return [RpcCall("eth_getBlockByHash", (hex_data(block_hash), False)), *proofs]


def _nodes(value: object, keys_max: int) -> Mapping[bytes, bytes]:
    """All nodes in an answer to `eth_getProof`, by their hashes. Its other fields are not read."""
    fields = read_object(value, "eth_getProof")
    words = read_list(fields.get("storageProof"), "storageProof", keys_max)
    proofs = [fields.get("accountProof"), *(read_object(word, "storageProof").get("proof") for word in words)]
    found: dict[bytes, bytes] = {}
    for proof in proofs:
        for node in read_list(proof, "proof", DEPTH_MAX):
            encoded = read_data(node, "proof.node", limit=NODE_BYTES_MAX)
            found[keccak256(encoded)] = encoded
    return found


async def prove_events(
    endpoint: Endpoint, layout: ChainLayout, chain_id: int, vault: bytes, transaction: bytes
) -> list[SubmittedEvent]:
    """Every deposit, withdrawal and rotation of `vault` in one mined transaction, in order, ready to submit.

    Raises RemoteFault: WRONG_CHAIN, UNTRUSTED_BLOCK when it is not mined, NOT_A_VAULT_EVENT when it has none,
    RECEIPTS_ROOT_MISMATCH and other faults of the endpoint.
    """
    stated, mined = await endpoint.batch(
        (RpcCall("eth_chainId"), RpcCall("eth_getTransactionReceipt", (hex_data(transaction),)))
    )
    if read_quantity(accepted(stated, "receipt proof"), "eth_chainId", 63) != chain_id:
        raise RemoteFault(BridgeCode.WRONG_CHAIN, endpoint.name, expected=chain_id)
    if mined is None:
        raise RemoteFault(BridgeCode.UNTRUSTED_BLOCK, "transaction", hash=transaction)
    fields = read_object(accepted(mined, "receipt proof"), "receipt")
    block_hash = read_data(fields.get("blockHash"), "receipt.blockHash", 32)
    index = read_quantity(fields.get("transactionIndex"), "receipt.transactionIndex", 32)
    (block,) = await endpoint.batch((RpcCall("eth_getBlockByHash", (hex_data(block_hash), False)),))
    header = read_header(accepted(block, "receipt proof"), layout.header)
    receipts = await fetch_receipts(endpoint, layout.receipts, header)
    logs = receipts[index].logs if index < len(receipts) else ()
    places = [
        place for place, log in enumerate(logs) if log.address == vault and log.topics and log.topics[0] in VAULT_TOPICS
    ]
    if not places:
        raise RemoteFault(BridgeCode.NOT_A_VAULT_EVENT, "transaction", hash=transaction)
    submissions = [make_submission(chain_id, block_hash, receipts, index, place) for place in places]
    for submission in submissions:
        verify_submitted_event(submission, header, chain_id, vault, layout.receipts)
    return submissions
