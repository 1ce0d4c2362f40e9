"""Storage proofs on their way into packages: kept, narrowed, asked for late, and left out where nobody has them."""

from collections.abc import Sequence
from pathlib import Path

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


def made(number: int, **changes: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """Header and nodes of a block in which the vault holds all tokens."""
    state = MadeState()
    for token in TOKENS:
        state.hold(VAULT, token, PLAIN, NUMBERS[token])
    return state.header(number, **changes), state.nodes


class Statement:
    """Of nothing but custody."""

    epoch = 1

    def __init__(self, *terms: CustodyTerm) -> None:
        self.custody = terms


def term(number: int, header: bytes, token: bytes, chain_id: int = 7) -> CustodyTerm:
    deposited, withdrawn, balance = map(u256, NUMBERS[token])
    zero = bytes(32)
    return CustodyTerm(
        chain_id=chain_id, vault=VAULT, token=token, slot=0, block_number=number, block_hash=keccak256(header),
        deposited=deposited, withdrawn=withdrawn, balance=balance, balances=PLAIN, unit=1, held=1_000,
        released=zero, later=zero, strays=zero, dust=zero,
    )  # fmt: skip


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


@pytest.fixture
def store(tmp_path: Path) -> EvidenceStore:
    return EvidenceStore(tmp_path / "evidence")


async def test_kept_evidence_is_narrowed_to_what_the_statement_names(store: EvidenceStore) -> None:
    (first, first_nodes), (second, second_nodes) = made(32), made(64)
    for number, header, nodes in ((32, first, first_nodes), (64, second, second_nodes)):
        store.save(number, select_evidence(7, header, nodes, ALL)[0])
    statement = Statement(term(64, second, TOKENS[0]), term(32, first, TOKENS[1]), term(64, second, TOKENS[2]))
    keeper = Keeper()
    found = await CustodyEvidence(store, {7: keeper}).of(statement)  # type: ignore[dict-item,arg-type]
    assert not keeper.asked
    assert [each.header for each in found] == [second, first]
    assert check_custody(statement, found) == (CustodyAssurance.PROVEN,) * 3  # type: ignore[arg-type]
    whole = store.of_block(7, 32, keccak256(first))
    assert whole is not None
    assert len(found[1].nodes) < len(whole.nodes), "two tokens less"


async def test_what_was_not_kept_is_asked_of_the_chain_and_else_left_out(store: EvidenceStore) -> None:
    header, nodes = made(32)
    other, _ = made(32, f12=b"other chain")
    evidence, _ = select_evidence(7, header, nodes, ALL[:1])
    statement = Statement(term(32, header, TOKENS[0]), term(32, other, TOKENS[0], chain_id=8))
    able, unable = Keeper(evidence), Keeper()
    found = await CustodyEvidence(store, {7: able, 8: unable}).of(statement)  # type: ignore[dict-item,arg-type]
    assert found == (evidence,)
    assert [fact.block_hash for fact in unable.asked[0]] == [keccak256(other)]
    assert check_custody(statement, found) == (CustodyAssurance.PROVEN, CustodyAssurance.ATTESTED)  # type: ignore[arg-type]
    assert await CustodyEvidence(store, {}).of(statement) == ()  # type: ignore[arg-type]


async def test_kept_evidence_that_proves_other_numbers_is_not_used(store: EvidenceStore) -> None:
    """A file may be of anybody's making, and a quorum may have certified what the chain denies."""
    header, nodes = made(32)
    store.save(32, select_evidence(7, header, nodes, ALL)[0])
    lie = msgspec.structs.replace(term(32, header, TOKENS[0]), balance=u256(5_000))
    keeper = Keeper()
    assert await CustodyEvidence(store, {7: keeper}).of(Statement(lie)) == ()  # type: ignore[dict-item,arg-type]
    assert len(keeper.asked) == 1


async def test_evidence_that_no_package_can_carry_is_left_out(
    store: EvidenceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the package itself would be refused, and the epoch left without one."""
    (first, first_nodes), (second, second_nodes) = made(32), made(64)
    for number, header, nodes in ((32, first, first_nodes), (64, second, second_nodes)):
        store.save(number, select_evidence(7, header, nodes, ALL)[0])
    statement = Statement(term(32, first, TOKENS[0]), term(64, second, TOKENS[0]))
    both = await CustodyEvidence(store, {}).of(statement)  # type: ignore[arg-type]
    assert len(both) == 2
    monkeypatch.setitem(PART_BYTES_MAX, "custody", len(encode(both)))
    assert await CustodyEvidence(store, {}).of(statement) == both[:1], "measured with some bytes to spare"  # type: ignore[arg-type]
    monkeypatch.setitem(PART_BYTES_MAX, "custody", len(encode(both)) + LIST_BYTES)
    assert await CustodyEvidence(store, {}).of(statement) == both  # type: ignore[arg-type]
    monkeypatch.setattr("node.chains.custody_evidence.CUSTODY_BLOCKS_MAX", 1)
    assert await CustodyEvidence(store, {}).of(statement) == both[:1]  # type: ignore[arg-type]


def test_a_store_keeps_the_newest_blocks_of_each_chain_and_reads_nothing_damaged(tmp_path: Path) -> None:
    folder = tmp_path / "evidence"
    store = EvidenceStore(folder, kept=3)
    evidence = {number: select_evidence(7, *made(number), ALL)[0] for number in (8, 16, 24, 32, 100)}
    other = msgspec.structs.replace(evidence[8], chain_id=70)
    store.save(8, other)
    for number, each in evidence.items():
        store.save(number, each)
    held = {number: store.of_block(7, number, each.block_hash) is not None for number, each in evidence.items()}
    assert held == {8: False, 16: False, 24: True, 32: True, 100: True}
    assert store.of_block(70, 8, other.block_hash) == other, "another chain's are not counted"
    assert store.of_block(7, 32, bytes(32)) is None
    (path,) = folder.glob("chain-7-*0032-*")
    for damage in (b"", b"\xff", path.read_bytes()[:-1], encode(evidence[24]), encode(other)):
        path.write_bytes(damage)
        assert store.of_block(7, 32, evidence[32].block_hash) is None
    assert EvidenceStore(folder).of_block(7, 100, evidence[100].block_hash) == evidence[100]


class Hanging(Keeper):
    """Never answers."""

    async def prove(self, facts: Sequence[CustodySeen]) -> BlockEvidence:
        self.asked.append(facts)
        await trio.sleep_forever()
        raise NotImplementedError


async def test_a_package_waits_for_a_silent_chain_once_however_many_blocks(
    store: EvidenceStore, autojump_clock: trio.testing.MockClock
) -> None:
    (other, nodes) = made(1_000)
    terms = [term(number, made(number)[0], TOKENS[0]) for number in range(1, 9)]
    statement = Statement(*terms, term(1_000, other, TOKENS[1], chain_id=8))
    keepers = {7: Hanging(), 8: Keeper(select_evidence(8, other, nodes, ALL[1:2])[0])}
    started = trio.current_time()
    found = await CustodyEvidence(store, keepers).of(statement)  # type: ignore[arg-type]
    assert trio.current_time() - started < 2 * FETCH_SECONDS_MAX
    assert [each.chain_id for each in found] == [8], "another chain's turn comes all the same"


async def test_evidence_that_is_left_out_takes_no_room_of_others(
    store: EvidenceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = [made(number, f12=bytes(2_000 if number == 1 else 1)) for number in (1, 2, 3)]
    for number, (header, nodes) in enumerate(headers, start=1):
        store.save(number, select_evidence(7, header, nodes, ALL[:1])[0])
    sizes = [len(encode(store.of_block(7, n, keccak256(header)))) for n, (header, _) in enumerate(headers, start=1)]
    monkeypatch.setitem(PART_BYTES_MAX, "custody", LIST_BYTES + sizes[1] + sizes[2])
    terms = [term(number, header, TOKENS[0]) for number, (header, _) in enumerate(headers, start=1)]
    found = await CustodyEvidence(store, {}).of(Statement(*terms))  # type: ignore[arg-type]
    assert [each.header for each in found] == [header for header, _ in headers[1:]]
