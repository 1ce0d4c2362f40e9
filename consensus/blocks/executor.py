"""`BlockExecutor`: build own blocks, check others', apply decided ones to the application's state.

Rule: `valid(v)` of the paper is a function of the decided chain and the block alone: links, last certificate,
extensions, time, evidence, then equal roots after execution. Never a local clock. Knows no rounds and no votes.
"""

from dataclasses import replace

from clearing.base.certificate import Certificate, VoteKind
from clearing.base.codec import encode
from clearing.base.errors import Bug, LocalFault, RemoteFault
from clearing.base.hashing import tagged_hash
from clearing.base.header import Header
from clearing.base.ids import Hash32
from consensus.application import Application, AppRoots, ExecutionContext, Misbehaviour
from consensus.blocks.vote_extensions import block_time, check_extended_commit, observed
from consensus.chain_state import ChainState
from consensus.codes import ConsensusCode
from consensus.evidence.judge import EvidenceJudge
from consensus.messages import BLOCK_BYTES_MAX, Block, Evidence, SignedExtension
from consensus.signing import CertificateCache, Verifier

EXTENSIONS_KEPT_MAX = 512
"""Of one height: a liar may sign several, and each proposal has at most one of each validator."""
PAYLOAD_TAG = "crossclear/payload/v1"


def payload_root(
    payload: bytes, last_commit: Certificate | None, extended_commit: tuple[SignedExtension, ...], evidence: Evidence
) -> Hash32:
    """The root over the rest of a block, which its header commits to."""
    parts = (payload, encode(last_commit), encode(extended_commit), encode(evidence))
    return tagged_hash(PAYLOAD_TAG, *(tagged_hash(PAYLOAD_TAG, part) for part in parts))


def check_carried(block: Block) -> None:
    """Check that the header commits to what the block carries. Raises RemoteFault."""
    if len(block.payload) > BLOCK_BYTES_MAX:
        raise RemoteFault(ConsensusCode.WRONG_PAYLOAD_ROOT, "payload", bytes=len(block.payload))
    root = payload_root(block.payload, block.last_commit, block.extended_commit, block.evidence)
    if root != block.header.payload_root:
        raise RemoteFault(ConsensusCode.WRONG_PAYLOAD_ROOT, "header", stated=block.header.payload_root, computed=root)


class BlockExecutor:
    """Runs one application over one chain. Remembers which block it executed last."""

    def __init__(self, application: Application, verifier: Verifier, certificates: CertificateCache) -> None:
        self._application = application
        self._verifier = verifier
        self._certificates = certificates
        self.judge = EvidenceJudge(application, verifier)
        self._executed: bytes | None = None
        self._checked: tuple[tuple[int, int, bytes], frozenset[SignedExtension]] = ((0, 0, b""), frozenset())
        """Extensions that verified, and the precommits that they belong to."""

    def build(self, chain: ChainState, evidence: Evidence) -> Block:
        """The own block for the next height, executed. Raises LocalFault when too few extensions are known."""
        if chain.commit is not None:
            power = sum(chain.last_validators.validators[signed.validator].power for signed in chain.extensions)
            if not chain.last_validators.is_quorum(power):
                raise LocalFault(ConsensusCode.BAD_EXTENDED_COMMIT, "build", power=power, height=chain.height)
        context = _context(chain, chain.extensions, self.judge.accused(chain, evidence))
        payload, roots = self._application.prepare(context)
        if len(payload) > BLOCK_BYTES_MAX:
            raise Bug(f"the application made a payload of {len(payload)} bytes, {BLOCK_BYTES_MAX} are allowed")
        root = payload_root(payload, chain.commit, chain.extensions, evidence)
        header = _header(chain, context.time_ms, root, roots)
        self._executed = header.hash
        return Block(
            header=header,
            payload=payload,
            last_commit=chain.commit,
            extended_commit=chain.extensions,
            evidence=evidence,
        )

    def check(self, chain: ChainState, block: Block, *, certified: bool = False) -> None:
        """Check a block for the next height and execute it. Raises RemoteFault.

        The signatures inside a `certified` block, fetched with a verified certificate on or above it, are not checked
        again: a quorum did. All computed values are checked, every root too, except commitments, which take seconds.
        """
        self._check_links(chain, block)
        if not certified:
            check_carried(block)
            self._check_last_commit(chain, block)
        time_ms = block_time(chain, block.extended_commit)
        if block.header.time_ms != time_ms:
            raise RemoteFault(ConsensusCode.WRONG_TIME, "header", stated=block.header.time_ms, computed=time_ms)
        if not certified:
            self.judge.check(chain, block.evidence)
        self._execute(chain, block, certified=certified)

    def apply(
        self, chain: ChainState, block: Block, certificate: Certificate, extensions: tuple[SignedExtension, ...]
    ) -> ChainState:
        """Make a decided block the application's state. Raises Bug when it executes to other roots."""
        if self._executed != block.header.hash:
            try:
                self._execute(chain, block)
            except RemoteFault as fault:
                raise Bug(f"decided block {block.header.height} does not execute here: {fault}") from fault
        self._executed = None
        after_next = self._application.commit(block.header)
        return chain.advance(block, certificate, extensions, after_next)

    def _execute(self, chain: ChainState, block: Block, *, certified: bool = False) -> None:
        context = _context(chain, block.extended_commit, self.judge.accused(chain, block.evidence))
        if certified:
            stated = (Hash32(block.header.commitments_root), block.header.commitments_height)
            context = replace(context, stated_commitments=stated)
        self._executed = None
        roots = self._application.process(context, block.payload)
        computed = _header(chain, block.header.time_ms, block.header.payload_root, roots)
        if computed != block.header:
            raise RemoteFault(
                ConsensusCode.WRONG_ROOTS,
                "header",
                height=block.header.height,
                stated=block.header.state_root,
                computed=computed.state_root,
            )
        self._executed = block.header.hash

    def _check_links(self, chain: ChainState, block: Block) -> None:
        header = block.header
        if header.height != chain.height + 1:
            raise RemoteFault(ConsensusCode.BROKEN_LINK, "height", stated=header.height, computed=chain.height + 1)
        links = (
            ("network", header.network, chain.network),
            ("parent", header.parent, chain.parent),
            ("validators_hash", header.validators_hash, chain.validators.hash),
            ("next_validators_hash", header.next_validators_hash, chain.next_validators.hash),
        )
        for name, there, here in links:
            if here != there:
                raise RemoteFault(ConsensusCode.BROKEN_LINK, name, stated=there, computed=here)

    def _check_last_commit(self, chain: ChainState, block: Block) -> None:
        commit = block.last_commit
        if chain.commit is None:
            if commit is not None or block.extended_commit:
                raise RemoteFault(ConsensusCode.BAD_LAST_COMMIT, "first block", height=1)
            return
        if (
            commit is None
            or commit.kind is not VoteKind.PRECOMMIT
            or commit.height != chain.height
            or commit.value != chain.parent
        ):
            raise RemoteFault(ConsensusCode.BAD_LAST_COMMIT, "last commit", height=chain.height)
        self._certificates.verify(commit, chain.last_validators)
        same_votes = commit.round == chain.commit.round
        known = (*(chain.extensions if same_votes else ()), *self._extensions_of(commit))
        check_extended_commit(
            self._verifier,
            self._application,
            chain.network,
            chain.last_validators,
            commit,
            block.extended_commit,
            known,
        )
        if len(known) < EXTENSIONS_KEPT_MAX:
            self._checked = (_votes_of(commit), frozenset(known).union(block.extended_commit))

    def _extensions_of(self, commit: Certificate) -> frozenset[SignedExtension]:
        """Extensions of the same precommits from an earlier proposal of this height."""
        votes, extensions = self._checked
        return extensions if votes == _votes_of(commit) else frozenset()


def _votes_of(commit: Certificate) -> tuple[int, int, bytes]:
    """(height, round, value) that its extensions are signed for."""
    return commit.height, commit.round, commit.value


def _context(
    chain: ChainState, extensions: tuple[SignedExtension, ...], misbehaviour: tuple[Misbehaviour, ...]
) -> ExecutionContext:
    return ExecutionContext(
        height=chain.height + 1,
        time_ms=block_time(chain, extensions),
        parent=Hash32(chain.parent),
        extensions=observed(chain, extensions),
        total_power=chain.last_validators.total_power,
        misbehaviour=misbehaviour,
    )


def _header(chain: ChainState, time_ms: int, root: bytes, roots: AppRoots) -> Header:
    return Header(
        network=chain.network,
        parent=chain.parent,
        height=chain.height + 1,
        time_ms=time_ms,
        payload_root=root,
        module_roots=roots.module_roots,
        commitments_root=roots.commitments_root,
        commitments_height=roots.commitments_height,
        withdrawals_root=roots.withdrawals_root,
        withdrawals_count=roots.withdrawals_count,
        exit_root=roots.exit_root,
        epoch=roots.epoch,
        validators_hash=chain.validators.hash,
        next_validators_hash=chain.next_validators.hash,
        deposit_cursors=roots.deposit_cursors,
    )
