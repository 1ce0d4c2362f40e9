"""Executes a recorded block log again: every certificate checked, every root of the state compared.

Rule: the same code as live (`BlockExecutor`, `ClearingApplication`), fed from a file instead of the network. The epoch
commitments in a header are taken as stated: computing them needs every account's seed and the prover's group, and
`crossclear verify` checks them against the packages.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from clearing.base.certificate import Certificate, verify_finality
from clearing.base.codec import decode
from clearing.base.errors import LocalFault, RemoteFault
from clearing.base.header import Header
from clearing.base.ids import ZERO_HASH, Hash32
from clearing.initial_state import initial_state
from clearing.schema.blocks.block import VoteExtension
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.terms.genesis import Genesis, network_id
from clearing.state.state import State
from consensus.blocks.executor import BlockExecutor
from consensus.blocks.vote_extensions import check_extended_commit
from consensus.chain_state import ApplicationPosition, chain_at
from consensus.messages import BLOCK_BYTES_MAX, Block, SignedExtension
from consensus.signing import CertificateCache, CurveVerifier
from consensus.turns import collected
from member.codes import NodeCode
from node.agreement.application import ClearingApplication, DecidedHeight
from node.store.records import BlockRecord


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay came to."""

    height: int
    header_hash: bytes
    state_root: bytes
    blocks: int
    transactions: int
    receipts: int


def replay(
    genesis: Genesis,
    salt: bytes,
    records: Iterable[BlockRecord],
    listener: Callable[[DecidedHeight], None] = lambda _decided: None,
) -> Replayed:
    """Execute blocks from height 1 on, calling `listener` with each height.

    Raises RemoteFault for a block that breaks a rule, is not final, or executes to other roots than its header states;
    LocalFault STORE_GAP when the first is not height 1.
    """
    network = network_id(genesis)
    stated = StatedCommitments()
    counts = {"transactions": 0, "receipts": 0}

    def count(decided: DecidedHeight) -> None:
        counts["transactions"] += len(decided.block.transactions)
        counts["receipts"] += len(decided.result.receipts)

    application = ClearingApplication(genesis, initial_state(genesis, salt), NoPool(), stated, _silent)
    application.listen(count)
    application.listen(listener)
    verifier = CurveVerifier()
    executor = BlockExecutor(application, verifier, CertificateCache(verifier, network))
    validators = genesis.validators
    chain = chain_at(network, genesis.time_ms, ApplicationPosition(0, validators, validators, validators), None)
    blocks = 0
    for record in records:
        if record.height != chain.height + 1:
            raise LocalFault(NodeCode.STORE_GAP, "replay", height=record.height, after=chain.height)
        block, certificate, extensions = _decoded(record)
        stated.header = block.header
        executor.check(chain, block)
        verify_finality(block.header, certificate, chain.validators, network)
        if extensions or not collected(chain.validators):
            check_extended_commit(verifier, application, network, chain.validators, certificate, extensions)
        chain = executor.apply(chain, block, certificate, extensions)
        blocks += 1
    root = stated.header.state_root if stated.header else bytes(32)  # equal to the executed one, or `check` had raised
    return Replayed(chain.height, chain.parent, root, blocks, counts["transactions"], counts["receipts"])


class StatedCommitments:
    """Implements `EpochCommitments` from the header that is being replayed."""

    def __init__(self) -> None:
        self.header: Header | None = None

    def root_at(
        self,
        height: int,  # noqa: ARG002 - the header is of that height
        stated: tuple[Hash32, int] | None = None,  # noqa: ARG002 - by the same header
    ) -> tuple[Hash32, int]:
        """As the header states."""
        if self.header is None:
            return ZERO_HASH, 0
        return Hash32(self.header.commitments_root), self.header.commitments_height

    def snapshot_decided(self, height: int, epoch: int, state: State) -> None:
        """Nothing is proven here."""


class NoPool:
    """Implements `TransactionPool`: a replay proposes nothing."""

    def select(self, time_ms: int) -> tuple[Transaction, ...]:  # noqa: ARG002 - the interface's
        """Nothing."""
        return ()


def _silent(_: State) -> VoteExtension:
    return VoteExtension()


def _decoded(record: BlockRecord) -> tuple[Block, Certificate, tuple[SignedExtension, ...]]:
    block = decode(record.block, Block, 2 * BLOCK_BYTES_MAX)
    if block.header.height != record.height:
        raise RemoteFault(NodeCode.BLOCK_LOG_CORRUPT, "height", stated=record.height, header=block.header.height)
    extensions: tuple[SignedExtension, ...] = decode(
        record.extended_commit, tuple[SignedExtension, ...], BLOCK_BYTES_MAX
    )
    return block, decode(record.certificate, Certificate), extensions
