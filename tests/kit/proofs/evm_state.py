"""A chain whose state says what custody terms say, to be bent by tests: whoever builds a state may lie in it."""

from dataclasses import dataclass, field

from clearing.base.evm.evidence import BlockEvidence, PooledNodes, ProvenState, read_counters
from clearing.base.hashing import keccak256
from tests.kit.evm_state import MadeState
from tests.kit.proofs.proven_custody import words_of

STRANGERS = tuple(bytes([i]) * 20 for i in range(100, 110))


@dataclass
class Chain:
    """One block of a chain."""

    chain_id: int
    number: int
    salt: bytes = b""
    state: MadeState = field(default_factory=MadeState)

    def __post_init__(self) -> None:
        for address in STRANGERS:
            self.state.of(address).balance = 7

    def put(self, term) -> None:
        """Let the state say what a custody term says."""
        self.state.hold(term.vault, term.token, term.balances, words_of(term))

    def words(self, address: bytes) -> dict[bytes, int | bytes]:
        """A contract's storage by place; bytes stand there as they are, instead of a number's encoding."""
        return self.state.of(address).storage

    @property
    def header(self) -> bytes:
        return self.state.header(self.number, f12=self.salt)

    @property
    def block_hash(self) -> bytes:
        return keccak256(self.header)

    def evidence(self, terms) -> BlockEvidence:
        """What proves these terms, node by node, in the order in which they are read."""
        nodes = PooledNodes(self.state.nodes)
        state = ProvenState(self.header, nodes)
        for term in terms:
            read_counters(state, term.vault, term.token, term.balances)
        return BlockEvidence(self.chain_id, self.header, tuple(nodes.needed.values()))
