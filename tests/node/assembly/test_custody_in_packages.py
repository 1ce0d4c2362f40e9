"""Storage proofs on their way into packages: kept, narrowed, asked for late, and left out where nobody has them."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import trio
import trio.testing

from bridge.codes import BridgeCode
from bridge.watch.custody_evidence import EvidenceStore
from clearing.base.codec import encode, u256
from clearing.base.errors import RemoteFault
from clearing.base.evm.evidence import BlockEvidence, Custodian, select_evidence
from clearing.base.evm.storage import BalanceLocation, BalanceOrder
from clearing.base.hashing import keccak256
from clearing.margin.statement.snapshot import CustodyTerm
from clearing.schema.facts import CustodySeen
from node.chains.custody_evidence import FETCH_SECONDS_MAX, LIST_BYTES, CustodyEvidence
from proofs.epoch.package import PART_BYTES_MAX
from proofs.statement.custody import CustodyAssurance, check_custody
from tests.kit.evm_state import MadeState

PLAIN = BalanceLocation(BalanceOrder.KEY_FIRST)
VAULT = b"\xaa" * 20
TOKENS = tuple(bytes([number]) * 20 for number in (1, 2, 3))
NUMBERS = {token: (1_000 + place, place, 1_000 + place) for place, token in enumerate(TOKENS)}
ALL = tuple(Custodian(VAULT, token, PLAIN) for token in TOKENS)


class Block:
    """One in which the vault holds all tokens: its header and trie."""

    def __init__(self, number: int, **changes: bytes) -> None:
        state = MadeState()
        for token in TOKENS:
            state.hold(VAULT, token, PLAIN, NUMBERS[token])
        self.number, self.header, self.nodes = number, state.header(number, **changes), state.nodes
        self.hash = keccak256(self.header)

    def evidence(self, custodians: Sequence[Custodian] = ALL, chain_id: int = 7) -> BlockEvidence:
        return select_evidence(chain_id, self.header, self.nodes, custodians)[0]

    def term(self, token: bytes, chain_id: int = 7) -> CustodyTerm:
        deposited, withdrawn, balance = map(u256, NUMBERS[token])
        zero = bytes(32)
        return CustodyTerm(
            chain_id=chain_id, vault=VAULT, token=token, slot=0, block_number=self.number, block_hash=self.hash,
            deposited=deposited, withdrawn=withdrawn, balance=balance, balances=PLAIN, unit=1, held=1_000,
            released=zero, later=zero, strays=zero, dust=zero,
        )  # fmt: skip


def statement_of(*terms: CustodyTerm) -> Any:
    """Of nothing but custody."""
    return SimpleNamespace(epoch=1, custody=terms)


class Keeper:
    """Answers with what it was given, or refuses."""

    def __init__(self, answer: BlockEvidence | None = None) -> None:
        self.answer = answer
        self.asked: list[Sequence[CustodySeen]] = []

    async def prove(self, facts: Sequence[CustodySeen]) -> BlockEvidence:
        self.asked.append(facts)
        if self.answer is None:
            raise RemoteFault(BridgeCode.ENDPOINT_REFUSED, "eth_getProof", message="missing trie node")
        return self.answer


class Store(EvidenceStore):
    """What is kept of blocks of chain 7."""

    def keep(self, *blocks: Block, custodians: Sequence[Custodian] = ALL) -> None:
        for block in blocks:
            self.save(block.number, block.evidence(custodians))

    def kept(self, block: Block) -> BlockEvidence | None:
        return self.of_block(7, block.number, block.hash)

    async def found(self, *terms: CustodyTerm, **keepers: Keeper) -> tuple[BlockEvidence, ...]:
        """What goes into the package of a statement; `c7`: who is asked of chain 7."""
        asked: Any = {int(name[1:]): keeper for name, keeper in keepers.items()}
        return await CustodyEvidence(self, asked).of(statement_of(*terms))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "evidence")


async def test_kept_evidence_is_narrowed_to_what_the_statement_names(store: Store) -> None:
    first, second = Block(32), Block(64)
    store.keep(first, second)
    terms = (second.term(TOKENS[0]), first.term(TOKENS[1]), second.term(TOKENS[2]))
    keeper = Keeper()
    found = await store.found(*terms, c7=keeper)
    assert not keeper.asked
    assert [each.header for each in found] == [second.header, first.header]
    assert check_custody(statement_of(*terms), found) == (CustodyAssurance.PROVEN,) * 3
    assert len(found[1].nodes) < len(store.kept(first).nodes), "two tokens less"


async def test_what_was_not_kept_is_asked_of_the_chain_and_else_left_out(store: Store) -> None:
    block, other = Block(32), Block(32, f12=b"other chain")
    evidence = block.evidence(ALL[:1])
    terms = (block.term(TOKENS[0]), other.term(TOKENS[0], chain_id=8))
    able, unable = Keeper(evidence), Keeper()
    found = await store.found(*terms, c7=able, c8=unable)
    assert found == (evidence,)
    assert [fact.block_hash for fact in unable.asked[0]] == [other.hash]
    assert check_custody(statement_of(*terms), found) == (CustodyAssurance.PROVEN, CustodyAssurance.ATTESTED)
    assert await store.found(*terms) == ()


async def test_kept_evidence_that_proves_other_numbers_is_not_used(store: Store) -> None:
    """A file may be of anybody's making, and a quorum may have certified what the chain denies."""
    block = Block(32)
    store.keep(block)
    keeper = Keeper()
    lie = msgspec.structs.replace(block.term(TOKENS[0]), balance=u256(5_000))
    assert await store.found(lie, c7=keeper) == ()
    assert len(keeper.asked) == 1


async def test_evidence_that_no_package_can_carry_is_left_out(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the package itself would be refused, and the epoch left without one."""
    first, second = Block(32), Block(64)
    store.keep(first, second)
    terms = (first.term(TOKENS[0]), second.term(TOKENS[0]))
    both = await store.found(*terms)
    assert len(both) == 2
    monkeypatch.setitem(PART_BYTES_MAX, "custody", len(encode(both)))
    assert await store.found(*terms) == both[:1], "measured with some bytes to spare"
    monkeypatch.setitem(PART_BYTES_MAX, "custody", len(encode(both)) + LIST_BYTES)
    assert await store.found(*terms) == both
    monkeypatch.setattr("node.chains.custody_evidence.CUSTODY_BLOCKS_MAX", 1)
    assert await store.found(*terms) == both[:1]


async def test_evidence_that_is_left_out_takes_no_room_of_others(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = [Block(number, f12=bytes(2_000 if number == 1 else 1)) for number in (1, 2, 3)]
    store.keep(*blocks, custodians=ALL[:1])
    sizes = [len(encode(store.kept(each))) for each in blocks]
    monkeypatch.setitem(PART_BYTES_MAX, "custody", LIST_BYTES + sizes[1] + sizes[2])
    found = await store.found(*(each.term(TOKENS[0]) for each in blocks))
    assert [each.header for each in found] == [each.header for each in blocks[1:]]


def test_a_store_keeps_the_newest_blocks_of_each_chain_and_reads_nothing_damaged(tmp_path: Path) -> None:
    folder = tmp_path / "evidence"
    store = Store(folder, kept=3)
    blocks = {number: Block(number) for number in (8, 16, 24, 32, 100)}
    other = blocks[8].evidence(chain_id=70)
    store.save(8, other)
    store.keep(*blocks.values())
    assert [number for number, each in blocks.items() if store.kept(each)] == [24, 32, 100]
    assert store.of_block(70, 8, other.block_hash) == other, "another chain's are not counted"
    assert store.of_block(7, 32, bytes(32)) is None
    (path,) = folder.glob("chain-7-*0032-*")
    for damage in (b"", b"\xff", path.read_bytes()[:-1], encode(blocks[24].evidence()), encode(other)):
        path.write_bytes(damage)
        assert store.kept(blocks[32]) is None
    assert Store(folder).kept(blocks[100]) == blocks[100].evidence()


class Hanging(Keeper):
    """Never answers."""

    async def prove(self, facts: Sequence[CustodySeen]) -> BlockEvidence:
        self.asked.append(facts)
        await trio.sleep_forever()
        raise NotImplementedError


async def test_a_package_waits_for_a_silent_chain_once_however_many_blocks(
    store: Store, autojump_clock: trio.testing.MockClock
) -> None:
    other = Block(1_000)
    terms = [*(Block(number).term(TOKENS[0]) for number in range(1, 9)), other.term(TOKENS[1], chain_id=8)]
    started = trio.current_time()
    found = await store.found(*terms, c7=Hanging(), c8=Keeper(other.evidence(ALL[1:2], chain_id=8)))
    assert trio.current_time() - started < 2 * FETCH_SECONDS_MAX
    assert [each.chain_id for each in found] == [8], "another chain's turn comes all the same"
