"""A run of fetched blocks made final by one certificate: that of its last block.

Rule: honest validators precommit a block only after they decided its parent, so a certificate makes final what the
block's hash leads down to. One pairing then checks a whole run, and each block below the last brings the proof of its
parent's finality, its last commit, inside of what was certified. The sender of a block that the hashes don't lead to
has lied; the others' blocks stay. A run ends where the validator set changes: no set is taken from a header before its
block is applied.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from clearing.base.errors import Bug, RemoteFault
from clearing.base.header import CHAINS_MAX, MODULES_MAX
from consensus.blocks.admission import Admission, is_final
from consensus.blocks.executor import check_carried
from consensus.chain import ChainState
from consensus.codes import ConsensusCode
from consensus.messages import Block, CommittedBlock
from consensus.sync.fetching import FetchedBlock

RUN_MAX = 64


@dataclass(frozen=True, slots=True)
class RunFault:
    """The sender of an impossible block, and why it is impossible."""

    peer: bytes
    fault: RemoteFault


def certify_run(
    chain: ChainState, fetched: Sequence[FetchedBlock], admission: Admission
) -> list[CommittedBlock] | RunFault:
    """The blocks of `fetched` (consecutive, the first above `chain`) that are final, from the lowest on; or the fault.

    Raises Bug when they are final on another chain than this one.
    """
    for fetched_block in fetched:
        header = fetched_block.committed.block.header
        if len(header.module_roots) > MODULES_MAX or len(header.deposit_cursors) > CHAINS_MAX:
            return RunFault(
                fetched_block.peer, RemoteFault(ConsensusCode.BAD_BLOCK_RESPONSE, "header", height=header.height)
            )
    run = _of_one_set(chain, fetched)
    if not run:
        header = fetched[0].committed.block.header
        return RunFault(
            fetched[0].peer,
            RemoteFault(
                ConsensusCode.BROKEN_LINK,
                "validators_hash",
                stated=header.validators_hash,
                computed=chain.validators.hash,
            ),
        )
    tip = run[-1]
    try:
        admission.check_committed(chain, tip.committed, len(run))
    except RemoteFault as fault:
        return RunFault(tip.peer, fault)
    return _down_from(tip.committed, run, chain)


def _of_one_set(chain: ChainState, fetched: Sequence[FetchedBlock]) -> Sequence[FetchedBlock]:
    known = chain.validators.hash
    for count, fetched_block in enumerate(fetched):
        if fetched_block.committed.block.header.validators_hash != known:
            return fetched[:count]
    return fetched


def _down_from(tip: CommittedBlock, run: Sequence[FetchedBlock], chain: ChainState) -> list[CommittedBlock] | RunFault:
    certified: list[CommittedBlock] = []
    wanted: bytes = tip.block.header.hash
    child: Block | None = None
    for fetched_block in reversed(run):
        block = fetched_block.committed.block
        try:
            if block.header.hash != wanted:
                raise RemoteFault(ConsensusCode.BROKEN_LINK, "hash", stated=block.header.hash, computed=wanted)
            check_carried(block)
        except RemoteFault as fault:
            return RunFault(fetched_block.peer, fault)
        certified.append(tip if child is None else _below(child, block))
        wanted, child = block.header.parent, block
    if wanted != chain.parent:
        raise Bug(f"another chain is final above height {chain.height}: its block there is {wanted.hex()}")
    return certified[::-1]


def _below(child: Block, block: Block) -> CommittedBlock:
    """A block with the certificate that its certified child carries."""
    commit = child.last_commit
    if commit is None or not is_final(commit) or commit.value != block.header.hash:
        raise Bug(f"a quorum decided block {child.header.height}, whose last commit is not of its parent")
    return CommittedBlock(block=block, certificate=commit, extensions=child.extended_commit)
