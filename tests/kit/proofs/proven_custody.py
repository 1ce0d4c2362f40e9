"""Statements whose custody made-up chains prove: chains whose states say what the terms say, to be bent by tests."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace

from clearing.base.evm.evidence import BlockEvidence, PooledNodes, ProvenState, read_counters
from clearing.base.hashing import keccak256
from clearing.margin.statement.snapshot import CustodyTerm, RiskStatement
from tests.kit.evm_state import MadeState


def words_of(term: CustodyTerm) -> tuple[int, ...]:
    """(deposited, withdrawn, balance)."""
    return tuple(int.from_bytes(word, "big") for word in (term.deposited, term.withdrawn, term.balance))


@dataclass
class Chain:
    """One block of a chain."""

    chain_id: int
    number: int
    salt: bytes = b"made"
    time_s: int = 1_700_000_000
    state: MadeState = field(default_factory=MadeState)

    def words(self, address: bytes) -> dict[bytes, int | bytes]:
        """A contract's storage by place; bytes stand there as they are, instead of a number's encoding."""
        return self.state.of(address).storage

    @property
    def header(self) -> bytes:
        return self.state.header(self.number, f11=self.time_s, f12=self.salt)

    def evidence(self, terms: Iterable[CustodyTerm]) -> BlockEvidence:
        """What proves these terms, node by node, in the order in which they are read."""
        nodes = PooledNodes(self.state.nodes)
        state = ProvenState(self.header, nodes)
        for term in terms:
            read_counters(state, term.vault, term.token, term.balances)
        return BlockEvidence(self.chain_id, self.header, tuple(nodes.needed.values()))


def chains_of(terms: Iterable[CustodyTerm]) -> dict[int, Chain]:
    """Chains whose states say what the terms say."""
    found: dict[int, Chain] = {}
    for term in terms:
        state = found.setdefault(term.chain_id, Chain(term.chain_id, term.block_number)).state
        state.of(b"\x77" * 20).balance = 10**18
        state.hold(term.vault, term.token, term.balances, words_of(term))
    return found


def proven(
    statement: RiskStatement, chains: Mapping[int, Chain] | None = None
) -> tuple[RiskStatement, tuple[BlockEvidence, ...]]:
    """The statement with the hashes of these chains' blocks, and the evidence; by default they say what it says."""
    chains = chains or chains_of(statement.custody)
    custody = tuple(replace(term, block_hash=keccak256(chains[term.chain_id].header)) for term in statement.custody)
    evidence = [
        chain.evidence([term for term in custody if term.chain_id == number])
        for number, chain in sorted(chains.items())
    ]
    return replace(statement, custody=custody), tuple(evidence)
