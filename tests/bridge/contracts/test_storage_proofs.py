"""Custody out of a real chain's state: proofs of the vault's counters and balances, and answers that prove nothing."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from bridge.codes import BridgeCode
from bridge.rpc.endpoint import Endpoint, Result, RpcCall
from bridge.rpc.proofs import fetch_evidence
from bridge.rpc.quorum import EndpointQuorum
from bridge.rpc.vault_reads import NATIVE, read_custody
from bridge.watch.cursor import FileFactStore
from bridge.watch.custody_evidence import TRIES, WAITING_MAX, EvidenceCollector, EvidenceStore
from bridge.watch.watcher import Watcher
from bridge.watched_chain import WatchedChain
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
from tests.kit.refusals import refused

pytestmark = pytest.mark.chain
change = msgspec.structs.replace
PLAIN = BalanceLocation(BalanceOrder.KEY_FIRST)


def watched(vault: VaultChain, **changes: Any) -> WatchedChain:
    tokens = (vault.token_at.address, vault.moody_at.address, vault.other_at.address)
    return vault.watched(**{"tokens": tokens, "poll_seconds": 0.01, "balances": (PLAIN,) * len(tokens)} | changes)


def busy(vault: VaultChain) -> None:
    """Deposits, a withdrawal, dust and a gift; one listed token is never used."""
    vault.deposit(10 * UNIT)
    vault.set_mood("ReceiverFee")
    vault.deposit(7 * UNIT, at=vault.moody_at)
    (withdrawal, leaf) = released(vault, 0, amount=3 * UNIT)
    vault.withdraw(withdrawal, certify(vault, [leaf]).proof(0))
    vault.user.send(vault.token.functions.transfer(vault.vault.address, 41))
    vault.chain.mine(12)


@dataclass
class Sight:
    """What an honest endpoint tells of a watched vault."""

    vault: VaultChain
    chain: WatchedChain
    endpoint: Endpoint

    @property
    def quorum(self) -> EndpointQuorum:
        return EndpointQuorum((self.endpoint,), 1)

    @property
    def head(self) -> int:
        return int(self.vault.chain.rpc("eth_blockNumber"), 16)

    async def facts(self, number: int | None = None) -> tuple[CustodySeen, ...]:
        (header,) = await self.quorum.headers((self.head if number is None else number,))
        return (await read_custody(self.chain, self.quorum, header)).tokens

    async def evidence(self, facts: Sequence[CustodySeen], chain: WatchedChain | None = None) -> BlockEvidence:
        return await fetch_evidence(chain or self.chain, self.quorum, facts)

    async def seen_custody(self, folder: Path, keeper: EvidenceCollector, *, asking: bool = False) -> list[CustodySeen]:
        """All of a watcher that goes to the end of the chain; the keeper is asked at each step, or works beside it."""
        facts = list[Any]()

        async def emit(fact: Any) -> None:
            facts.append(fact)

        watcher = Watcher(self.chain, self.quorum, FileFactStore(folder / "facts"), emit, evidence=keeper)
        while await watcher.step():
            if asking:
                await keeper.ask()
        return [fact for fact in facts if isinstance(fact, CustodySeen)]


@asynccontextmanager
async def sight(vault: VaultChain, **changes: Any) -> AsyncIterator[Sight]:
    busy(vault)
    async with Endpoint(vault.chain.url) as endpoint:
        yield Sight(vault, watched(vault, **changes), endpoint)


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


async def test_a_vaults_counters_and_balances_are_proven_out_of_the_chains_state(own_vault: VaultChain) -> None:
    vault = own_vault  # an old block's state: what other tests did and took back on the shared chain pushes it out
    async with sight(vault) as s:
        for number in (vault.vault_at.block_number, s.head - 13, s.head):
            facts = await s.facts(number)
            statement = stated(*map(term_of, facts))
            assert check_custody(statement, (await s.evidence(facts),)) == (CustodyAssurance.PROVEN,) * 3
            check_reserves(statement)
    dollar, fee, unused = facts
    assert (dollar.deposited, dollar.withdrawn, dollar.balance) == (
        u256(10 * UNIT),
        u256(3 * UNIT),
        u256(7 * UNIT + 41),
    )
    assert 0 < int.from_bytes(fee.deposited, "big") < 7 * UNIT
    assert unused.deposited == unused.balance == bytes(32), "zero is proven by absence"


async def test_evidence_proves_no_other_number_block_chain_vault_or_place(vault: VaultChain) -> None:
    async with sight(vault) as s:
        facts = await s.facts()
        earlier, good = await s.evidence(await s.facts(s.head - 1)), await s.evidence(facts)
    first, *others = map(term_of, facts)

    def refusal(*evidence: BlockEvidence, **changes: Any) -> CodeBook:
        with pytest.raises(RemoteFault) as caught:
            check_custody(stated(change(first, **changes), *others), evidence or (good,))
        return caught.value.code

    def unproven(*nodes: bytes) -> bool:
        return refusal(change(good, nodes=nodes)) == ProofCode.CUSTODY_NOT_PROVEN

    assert refusal(deposited=u256(10 * UNIT + 1)) == ProofCode.CUSTODY_DIFFERS
    assert refusal(withdrawn=u256(3 * UNIT - 1)) == ProofCode.CUSTODY_DIFFERS
    assert refusal(balance=u256(7 * UNIT)) == ProofCode.CUSTODY_DIFFERS
    assert refusal(block_number=first.block_number + 1) == ProofCode.CUSTODY_DIFFERS
    for elsewhere in (
        {"vault": bytes(20)},
        {"token": bytes([9]) * 20},
        {"balances": BalanceLocation(BalanceOrder.SLOT_FIRST)},
        {"balances": BalanceLocation(BalanceOrder.KEY_FIRST, u256(1))},
        {"balances": BalanceLocation()},
    ):
        # The nodes that are shown may happen to prove that there is nothing at another place.
        assert refusal(**elsewhere) in (ProofCode.CUSTODY_NOT_PROVEN, ProofCode.CUSTODY_DIFFERS)
    assert refusal(earlier) == ProofCode.CUSTODY_STRAY
    assert refusal(good, good) == ProofCode.CUSTODY_STRAY
    assert refusal(change(good, chain_id=1)) == ProofCode.CUSTODY_STRAY
    assert refusal(change(good, header=earlier.header)) == ProofCode.CUSTODY_STRAY
    nodes = good.nodes
    for forged in (earlier.nodes[::-1], nodes[1:], nodes[:-1], (*nodes, nodes[-1]), nodes[::-1]):
        assert unproven(*forged)
    for place, node in enumerate(nodes):
        for at in (0, len(node) // 2, len(node) - 1):
            changed = node[:at] + bytes((node[at] ^ 1,)) + node[at + 1 :]
            assert unproven(*nodes[:place], changed, *nodes[place + 1 :])


async def test_a_token_without_a_place_is_attested_and_a_balance_is_never_claimed(vault: VaultChain) -> None:
    async with sight(vault, balances=(PLAIN, BalanceLocation(), PLAIN)) as s:
        facts = await s.facts()
        evidence = await s.evidence(facts)
    first, second, third = (term_of(fact, place) for fact, place in zip(facts, s.chain.balances, strict=True))
    partly = (CustodyAssurance.PROVEN, CustodyAssurance.COUNTERS_PROVEN, CustodyAssurance.PROVEN)
    assert check_custody(stated(first, second, third), (evidence,)) == partly
    assert check_custody(stated(first, second, third), ()) == (CustodyAssurance.ATTESTED,) * 3
    assert check_custody(stated(first, change(second, balance=u256(2**200)), third), (evidence,)) == partly


async def test_the_native_coin_is_proven_by_the_account(vault: VaultChain) -> None:
    vault.chain.fund("0x" + vault.vault_at.address.hex(), 12_345)
    async with sight(vault, tokens=(NATIVE,), balances=(BalanceLocation(),)) as s:
        facts = await s.facts()
        evidence = await s.evidence(facts)
    term = term_of(facts[0], BalanceLocation())
    assert term.balance == u256(12_345)
    assert check_custody(stated(term), (evidence,)) == (CustodyAssurance.PROVEN,)
    with refused(ProofCode.CUSTODY_DIFFERS):
        check_custody(stated(change(term, balance=u256(12_346))), (evidence,))


def _in(method: str, **fields: Any) -> Callable[[RpcCall, Any], Result]:
    """Answers to one method with other fields."""
    return lambda call, result: result | fields if call.method == method else result


def _without(method: str) -> Callable[[RpcCall, Result], Result]:
    return lambda call, result: None if call.method == method else result


ALTERED: dict[str, Callable[[RpcCall, Any], Result]] = {
    "no proof": _without("eth_getProof"),
    "no block": _without("eth_getBlockByHash"),
    "the state of another block": _in("eth_getBlockByHash", stateRoot="0x" + "11" * 32),
    "no nodes": _in("eth_getProof", accountProof=[]),
    "a flood of nodes": _in("eth_getProof", accountProof=["0x"] * 65),
}


@pytest.mark.parametrize("alter", ALTERED.values(), ids=ALTERED)
async def test_an_answer_that_proves_nothing_is_passed_over_for_one_that_does(
    vault: VaultChain, alter: Callable[[RpcCall, Result], Result]
) -> None:
    async with sight(vault) as s:
        liar, facts = Liar(s.endpoint, alter), await s.facts()
        with pytest.raises(RemoteFault):
            await fetch_evidence(s.chain, EndpointQuorum((liar,), 1), facts)
        both = EndpointQuorum((liar, s.endpoint), 2)
        assert await fetch_evidence(s.chain, both, facts) == await s.evidence(facts)
        assert not any(health.faults_total for health in both.health), "no proof of custody is no fault of the bridge"


async def test_counters_that_the_state_contradicts_are_not_proven(vault: VaultChain) -> None:
    async with sight(vault) as s:
        first, *others = await s.facts()
        for changes in ({"deposited": u256(1)}, {"withdrawn": u256(1)}, {"balance": u256(1)}):
            with refused(BridgeCode.STORAGE_PROOF_DIFFERS):
                await s.evidence((change(first, **changes), *others))
        with refused(BridgeCode.STORAGE_PROOF_DIFFERS):
            elsewhere = BalanceLocation(BalanceOrder.KEY_FIRST, u256(2))
            await s.evidence((first, *others), replace(s.chain, balances=(elsewhere,) * 3))


async def test_a_watcher_keeps_evidence_of_the_blocks_that_it_tells_custody_of(
    own_vault: VaultChain, tmp_path: Path
) -> None:
    store = EvidenceStore(tmp_path / "evidence")
    async with sight(own_vault) as s:
        seen_custody = await s.seen_custody(tmp_path, EvidenceCollector(s.chain, s.quorum, store.save), asking=True)
    for number, hash_ in sorted({(fact.block_number, fact.block_hash) for fact in seen_custody})[-3:]:
        evidence = store.of_block(s.chain.chain_id, number, hash_)
        assert evidence is not None
        of_block = [term_of(fact) for fact in seen_custody if fact.block_hash == hash_]
        assert set(check_custody(stated(*of_block), (evidence,))) == {CustodyAssurance.PROVEN}


async def test_evidence_is_asked_for_a_few_times_and_facts_never_wait(vault: VaultChain) -> None:
    kept = list[int]()
    async with sight(vault) as s:
        facts = await s.facts()
        liar = Liar(s.endpoint, _without("eth_getProof"))
        keeper = EvidenceCollector(s.chain, EndpointQuorum((liar,), 1), lambda number, _: kept.append(number))
        keeper.request(facts)
        for _ in range(TRIES + 2):
            await keeper.ask()
        assert liar.asked.count("eth_getBlockByHash") == TRIES
        assert keeper.last_fault
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

    async with sight(vault) as s:
        keeper = EvidenceCollector(s.chain, s.quorum, full)
        keeper.request(await s.facts())
        await keeper.ask()
    assert "no space left" in keeper.last_fault
    assert keeper.proven == 0


async def test_evidence_is_asked_for_beside_the_watcher_and_a_hanging_endpoint_delays_no_fact(
    own_vault: VaultChain, tmp_path: Path
) -> None:
    kept = list[int]()
    async with sight(own_vault) as s, trio.open_nursery() as nursery:
        silent = EndpointQuorum((Liar(s.endpoint, silent=True),), 1)
        hanging = EvidenceCollector(s.chain, silent, lambda number, _: kept.append(number))
        nursery.start_soon(hanging.run, 0.01)
        seen_custody = await s.seen_custody(tmp_path, hanging)
        assert seen_custody
        assert not kept
        send, receive = trio.open_memory_channel[int](9)
        working = EvidenceCollector(s.chain, s.quorum, lambda number, _: send.send_nowait(number))
        nursery.start_soon(working.run, 0.01)
        for number in sorted({fact.block_number for fact in seen_custody})[-2:]:
            working.request([fact for fact in seen_custody if fact.block_number == number])
            assert await receive.receive() == number
        nursery.cancel_scope.cancel()
    assert not kept


async def test_newer_counters_push_out_older_ones_that_still_wait(vault: VaultChain) -> None:
    kept = list[int]()
    async with sight(vault) as s:
        keeper = EvidenceCollector(s.chain, s.quorum, lambda number, _: kept.append(number))
        numbers = [s.head - behind for behind in range(WAITING_MAX + 1, -1, -1)]
        for number in numbers:
            keeper.request(await s.facts(number))
        await keeper.ask()
    assert kept == numbers[-WAITING_MAX:]
