"""Custody out of a real chain's state: proofs of the vault's counters and balances, and answers that prove nothing."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from bridge.chain import FinalityPolicy, WatchedChain
from bridge.codes import BridgeCode
from bridge.rpc.endpoint import Endpoint, Result, RpcCall
from bridge.rpc.proofs import fetch_evidence
from bridge.rpc.quorum import EndpointQuorum
from bridge.rpc.vault_reads import NATIVE, read_custody
from bridge.watch.cursor import FileFactStore
from bridge.watch.custody_evidence import TRIES, WAITING_MAX, EvidenceCollector, EvidenceStore
from bridge.watch.watcher import Watcher
from clearing.base.codec import u256
from clearing.base.errors import CodeBook, RemoteFault
from clearing.base.evm.evidence import BlockEvidence
from clearing.base.evm.storage import BalanceLocation, BalanceOrder
from clearing.margin.statement.snapshot import CustodyTerm, PublicTotal, RiskStatement
from clearing.schema.facts import CustodySeen
from proofs.errors import ProofCode
from proofs.statement.custody import CustodyAssurance, check_custody, check_reserves
from tests.kit.bridge.certified import certify, released
from tests.kit.bridge.vault_chain import UNIT, VaultChain
from tests.kit.bridge.watched_chain import Liar

pytestmark = pytest.mark.chain
PLAIN = BalanceLocation(BalanceOrder.KEY_FIRST)


def watched(vault: VaultChain, **changes: Any) -> WatchedChain:
    tokens = (vault.token_at.address, vault.fee_at.address, vault.false_at.address)
    chain = WatchedChain(
        chain_id=vault.chain.chain_id,
        vault=vault.vault_at.address,
        deployment_block=vault.vault_at.block_number,
        tokens=tokens,
        finality=FinalityPolicy(quorum=1),
        custody_stride=4,
        poll_seconds=0.01,
        balances=(PLAIN,) * len(tokens),
    )
    return replace(chain, **changes)


def busy(vault: VaultChain) -> None:
    """Deposits, a withdrawal, dust and a gift; one listed token is never used."""
    vault.deposit(10 * UNIT)
    vault.deposit(7 * UNIT, at=vault.fee_at)
    (withdrawal, leaf) = released(vault, 0, amount=3 * UNIT)
    vault.withdraw(withdrawal, certify(vault, [leaf]).proof(0))
    vault.user.send(vault.token.functions.transfer(vault.vault.address, 41))
    vault.chain.mine(12)


async def facts_of(chain: WatchedChain, quorum: EndpointQuorum, number: int) -> tuple[CustodySeen, ...]:
    (header,) = await quorum.headers((number,))
    return (await read_custody(chain, quorum, header)).tokens


def head(vault: VaultChain) -> int:
    return int(vault.chain.rpc("eth_blockNumber"), 16)


def term_of(fact: CustodySeen, balances: BalanceLocation = PLAIN) -> CustodyTerm:
    """What a ledger that credited all deposits would state."""
    accounted = int.from_bytes(fact.deposited, "big") - int.from_bytes(fact.withdrawn, "big")
    return CustodyTerm(
        chain_id=fact.chain_id,
        vault=fact.vault,
        token=fact.token,
        slot=0,
        block_number=fact.block_number,
        block_hash=fact.block_hash,
        deposited=fact.deposited,
        withdrawn=fact.withdrawn,
        balance=fact.balance,
        balances=balances,
        unit=UNIT,
        held=accounted // UNIT,
        released=bytes(32),
        later=bytes(32),
        strays=bytes(32),
        dust=u256(accounted % UNIT),
    )


def stated(*terms: CustodyTerm) -> RiskStatement:
    """A statement of nothing but custody."""

    class Stated:
        custody = terms
        totals: tuple[PublicTotal, ...] = ()

    return Stated()  # type: ignore[return-value]


def code_of(fault: pytest.ExceptionInfo[RemoteFault]) -> CodeBook:
    return fault.value.code


async def test_a_vaults_counters_and_balances_are_proven_out_of_the_chains_state(own_vault: VaultChain) -> None:
    vault = own_vault  # an old block's state: what other tests did and took back on the shared chain pushes it out
    busy(vault)
    chain = watched(vault)
    async with Endpoint(vault.chain.url) as endpoint:
        quorum = EndpointQuorum((endpoint,), 1)
        for number in (vault.vault_at.block_number, head(vault) - 13, head(vault)):
            facts = await facts_of(chain, quorum, number)
            evidence = await fetch_evidence(chain, quorum, facts)
            statement = stated(*map(term_of, facts))
            assert check_custody(statement, (evidence,)) == (CustodyAssurance.PROVEN,) * 3
            check_reserves(statement)
    dollar, fee, unused = facts
    assert [int.from_bytes(word, "big") for word in (dollar.deposited, dollar.withdrawn, dollar.balance)] == [
        10 * UNIT,
        3 * UNIT,
        7 * UNIT + 41,
    ]
    assert 0 < int.from_bytes(fee.deposited, "big") < 7 * UNIT
    assert unused.deposited == unused.balance == bytes(32), "zero is proven by absence"


async def test_evidence_proves_no_other_number_block_chain_vault_or_place(vault: VaultChain) -> None:
    busy(vault)
    chain = watched(vault)
    async with Endpoint(vault.chain.url) as endpoint:
        quorum = EndpointQuorum((endpoint,), 1)
        facts = await facts_of(chain, quorum, head(vault))
        earlier = await fetch_evidence(chain, quorum, await facts_of(chain, quorum, head(vault) - 1))
        good = await fetch_evidence(chain, quorum, facts)
    first, *others = map(term_of, facts)

    def refused(term: CustodyTerm, *evidence: BlockEvidence) -> CodeBook:
        with pytest.raises(RemoteFault) as caught:
            check_custody(stated(term, *others), evidence or (good,))
        return code_of(caught)

    for change in (
        {"deposited": u256(10 * UNIT + 1)},
        {"withdrawn": u256(3 * UNIT - 1)},
        {"balance": u256(7 * UNIT)},
        {"block_number": first.block_number + 1},
    ):
        assert refused(msgspec.structs.replace(first, **change)) == ProofCode.CUSTODY_DIFFERS
    for change in (
        {"vault": bytes(20)},
        {"token": bytes([9]) * 20},
        {"balances": BalanceLocation(BalanceOrder.SLOT_FIRST)},
        {"balances": BalanceLocation(BalanceOrder.KEY_FIRST, u256(1))},
        {"balances": BalanceLocation()},
    ):
        # The nodes that are shown may happen to prove that there is nothing at another place.
        code = refused(msgspec.structs.replace(first, **change))
        assert code in (ProofCode.CUSTODY_NOT_PROVEN, ProofCode.CUSTODY_DIFFERS)
    assert refused(first, earlier) == ProofCode.CUSTODY_STRAY
    assert refused(first, good, good) == ProofCode.CUSTODY_STRAY
    assert refused(first, msgspec.structs.replace(good, chain_id=1)) == ProofCode.CUSTODY_STRAY
    assert refused(first, msgspec.structs.replace(good, header=earlier.header)) == ProofCode.CUSTODY_STRAY
    assert refused(first, msgspec.structs.replace(good, nodes=earlier.nodes[::-1])) == ProofCode.CUSTODY_NOT_PROVEN
    for forged in (good.nodes[1:], good.nodes[:-1], (*good.nodes, good.nodes[-1]), good.nodes[::-1]):
        assert refused(first, msgspec.structs.replace(good, nodes=forged)) == ProofCode.CUSTODY_NOT_PROVEN
    for place, node in enumerate(good.nodes):
        for at in (0, len(node) // 2, len(node) - 1):
            changed = node[:at] + bytes((node[at] ^ 1,)) + node[at + 1 :]
            nodes = (*good.nodes[:place], changed, *good.nodes[place + 1 :])
            assert refused(first, msgspec.structs.replace(good, nodes=nodes)) == ProofCode.CUSTODY_NOT_PROVEN


async def test_a_token_without_a_place_is_attested_and_a_balance_is_never_claimed(vault: VaultChain) -> None:
    busy(vault)
    chain = watched(vault, balances=(PLAIN, BalanceLocation(), PLAIN))
    async with Endpoint(vault.chain.url) as endpoint:
        quorum = EndpointQuorum((endpoint,), 1)
        facts = await facts_of(chain, quorum, head(vault))
        evidence = await fetch_evidence(chain, quorum, facts)
    terms = [term_of(fact, word) for fact, word in zip(facts, chain.balances, strict=True)]
    assert check_custody(stated(*terms), (evidence,)) == (
        CustodyAssurance.PROVEN,
        CustodyAssurance.COUNTERS_PROVEN,
        CustodyAssurance.PROVEN,
    )
    assert check_custody(stated(*terms), ()) == (CustodyAssurance.ATTESTED,) * 3
    unproven = msgspec.structs.replace(terms[1], balance=u256(2**200))
    assert check_custody(stated(terms[0], unproven, terms[2]), (evidence,))[1] is CustodyAssurance.COUNTERS_PROVEN


async def test_the_native_coin_is_proven_by_the_account(vault: VaultChain) -> None:
    vault.chain.fund("0x" + vault.vault_at.address.hex(), 12_345)
    vault.chain.mine(1)
    chain = watched(vault, tokens=(NATIVE,), balances=(BalanceLocation(),))
    async with Endpoint(vault.chain.url) as endpoint:
        quorum = EndpointQuorum((endpoint,), 1)
        facts = await facts_of(chain, quorum, head(vault))
        evidence = await fetch_evidence(chain, quorum, facts)
    term = term_of(facts[0], BalanceLocation())
    assert int.from_bytes(term.balance, "big") == 12_345
    assert check_custody(stated(term), (evidence,)) == (CustodyAssurance.PROVEN,)
    with pytest.raises(RemoteFault) as caught:
        check_custody(stated(msgspec.structs.replace(term, balance=u256(12_346))), (evidence,))
    assert code_of(caught) == ProofCode.CUSTODY_DIFFERS


def _without(method: str) -> Callable[[RpcCall, Result], Result]:
    return lambda call, result: None if call.method == method else result


def _other_state(call: RpcCall, result: Any) -> Result:
    """An endpoint that proves another state than that of the block."""
    if call.method == "eth_getBlockByHash":
        return result | {"stateRoot": "0x" + "11" * 32}
    return result


def _no_nodes(call: RpcCall, result: Any) -> Result:
    return result | {"accountProof": []} if call.method == "eth_getProof" else result


def _flood(call: RpcCall, result: Any) -> Result:
    return result | {"accountProof": ["0x"] * 65} if call.method == "eth_getProof" else result


@pytest.mark.parametrize(
    "alter", [_without("eth_getProof"), _without("eth_getBlockByHash"), _other_state, _no_nodes, _flood]
)
async def test_an_answer_that_proves_nothing_is_passed_over_for_one_that_does(
    vault: VaultChain, alter: Callable[[RpcCall, Result], Result]
) -> None:
    busy(vault)
    chain = watched(vault)
    async with Endpoint(vault.chain.url) as endpoint:
        liar = Liar(endpoint, alter)
        honest = EndpointQuorum((endpoint,), 1)
        facts = await facts_of(chain, honest, head(vault))
        with pytest.raises(RemoteFault):
            await fetch_evidence(chain, EndpointQuorum((liar,), 1), facts)
        both = EndpointQuorum((liar, endpoint), 2)
        assert await fetch_evidence(chain, both, facts) == await fetch_evidence(chain, honest, facts)
        assert not any(health.faults_total for health in both.health), "no proof of custody is no fault of the bridge"


async def test_counters_that_the_state_contradicts_are_not_proven(vault: VaultChain) -> None:
    busy(vault)
    chain = watched(vault)
    async with Endpoint(vault.chain.url) as endpoint:
        quorum = EndpointQuorum((endpoint,), 1)
        first, *others = await facts_of(chain, quorum, head(vault))
        for change in ({"deposited": u256(1)}, {"withdrawn": u256(1)}, {"balance": u256(1)}):
            with pytest.raises(RemoteFault) as caught:
                await fetch_evidence(chain, quorum, (msgspec.structs.replace(first, **change), *others))
            assert code_of(caught) == BridgeCode.STORAGE_PROOF_DIFFERS
        wrong = replace(chain, balances=(BalanceLocation(BalanceOrder.KEY_FIRST, u256(2)),) * 3)
        with pytest.raises(RemoteFault) as caught:
            await fetch_evidence(wrong, quorum, (first, *others))
        assert code_of(caught) == BridgeCode.STORAGE_PROOF_DIFFERS


async def test_a_watcher_keeps_evidence_of_the_blocks_that_it_tells_custody_of(
    own_vault: VaultChain, tmp_path: Path
) -> None:
    busy(own_vault)
    chain, facts = watched(own_vault), list[Any]()
    store = EvidenceStore(tmp_path / "evidence")

    async def emit(fact: Any) -> None:
        facts.append(fact)

    async with Endpoint(own_vault.chain.url) as endpoint:
        quorum = EndpointQuorum((endpoint,), 1)
        keeper = EvidenceCollector(chain, quorum, store.save)
        watcher = Watcher(chain, quorum, FileFactStore(tmp_path / "facts"), emit, evidence=keeper)
        while await watcher.step():
            await keeper.ask()
    told = [fact for fact in facts if isinstance(fact, CustodySeen)]
    blocks = {(fact.block_number, fact.block_hash) for fact in told}
    kept = [store.of_block(chain.chain_id, *block) for block in sorted(blocks)[-3:]]
    assert all(kept)
    for evidence in kept:
        assert evidence is not None
        of_it = [term_of(fact) for fact in told if fact.block_hash == evidence.block_hash]
        assert set(check_custody(stated(*of_it), (evidence,))) == {CustodyAssurance.PROVEN}


async def test_evidence_is_asked_for_a_few_times_and_facts_never_wait(vault: VaultChain) -> None:
    busy(vault)
    chain, kept = watched(vault), list[int]()
    async with Endpoint(vault.chain.url) as endpoint:
        facts = await facts_of(chain, EndpointQuorum((endpoint,), 1), head(vault))
        liar = Liar(endpoint, _without("eth_getProof"))
        keeper = EvidenceCollector(chain, EndpointQuorum((liar,), 1), lambda number, _: kept.append(number))
        keeper.request(facts)
        for _ in range(TRIES + 2):
            await keeper.ask()
        assert liar.asked.count("eth_getBlockByHash") == TRIES
        assert keeper.last_fault
        assert not kept
        liar.alter = lambda call, result: result
        await keeper.ask()
        assert not kept, "it was given up"
        keeper.request(facts)
        await keeper.ask()
    assert kept == [facts[0].block_number]
    assert keeper.last_fault == ""


async def test_a_full_disk_stops_no_facts(vault: VaultChain) -> None:
    def full(number: int, evidence: BlockEvidence) -> None:
        raise OSError(28, "no space left on device")

    busy(vault)
    async with Endpoint(vault.chain.url) as endpoint:
        quorum = EndpointQuorum((endpoint,), 1)
        keeper = EvidenceCollector(watched(vault), quorum, full)
        keeper.request(await facts_of(watched(vault), quorum, head(vault)))
        await keeper.ask()
    assert "no space left" in keeper.last_fault
    assert keeper.proven == 0


async def test_evidence_is_asked_for_beside_the_watcher_and_a_hanging_endpoint_delays_no_fact(
    own_vault: VaultChain, tmp_path: Path
) -> None:
    busy(own_vault)
    chain, facts, kept = watched(own_vault), list[Any](), list[int]()

    async def emit(fact: Any) -> None:
        facts.append(fact)

    async with Endpoint(own_vault.chain.url) as endpoint, trio.open_nursery() as nursery:
        silent = Liar(endpoint, silent=True)
        hanging = EvidenceCollector(chain, EndpointQuorum((silent,), 1), lambda number, _: kept.append(number))
        nursery.start_soon(hanging.run, 0.01)
        quorum = EndpointQuorum((endpoint,), 1)
        watcher = Watcher(chain, quorum, FileFactStore(tmp_path / "facts"), emit, evidence=hanging)
        while await watcher.step():
            pass
        told = {fact.block_number for fact in facts if isinstance(fact, CustodySeen)}
        assert told
        assert not kept
        send, receive = trio.open_memory_channel[int](9)
        working = EvidenceCollector(chain, quorum, lambda number, _: send.send_nowait(number))
        nursery.start_soon(working.run, 0.01)
        for number in sorted(told)[-2:]:
            working.request([fact for fact in facts if isinstance(fact, CustodySeen) and fact.block_number == number])
            assert await receive.receive() == number
        nursery.cancel_scope.cancel()
    assert not kept


async def test_newer_counters_push_out_older_ones_that_still_wait(vault: VaultChain) -> None:
    busy(vault)
    chain, kept = watched(vault), list[int]()
    async with Endpoint(vault.chain.url) as endpoint:
        quorum = EndpointQuorum((endpoint,), 1)
        keeper = EvidenceCollector(chain, quorum, lambda number, _: kept.append(number))
        numbers = [head(vault) - behind for behind in range(WAITING_MAX + 1, -1, -1)]
        for number in numbers:
            keeper.request(await facts_of(chain, quorum, number))
        await keeper.ask()
    assert kept == numbers[-WAITING_MAX:]
