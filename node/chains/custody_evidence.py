"""`CustodyEvidence`: the storage proofs for a package, from what the own bridge has or can still fetch.

Rule: evidence enters a package only if it proves the numbers of the statement. Missing evidence is left out and logged,
and the verifier reports it. A package never waits long for evidence, and claims nothing without it.
"""

from collections.abc import Mapping, Sequence

import structlog
import trio

from bridge.rpc.proofs import check_counters
from bridge.watch.custody_evidence import EvidenceCollector, EvidenceStore
from clearing.base.codec import encode
from clearing.base.errors import CrossclearError
from clearing.base.evm.evidence import BlockEvidence, Custodian, select_evidence
from clearing.base.hashing import keccak256
from clearing.margin.statement.snapshot import CustodyTerm, RiskStatement
from clearing.schema.facts import CustodySeen
from proofs.epoch.package import CUSTODY_BLOCKS_MAX, PART_BYTES_MAX
from proofs.statement.custody import terms_of_blocks

LIST_BYTES = 8
"""What the list around the evidence may take."""
FETCH_SECONDS_MAX = 20.0
"""For all blocks of one chain whose evidence was not kept."""

log = structlog.get_logger(__name__)


class CustodyEvidence:
    """Reads the store, and asks the chains for what is not there."""

    def __init__(self, store: EvidenceStore, keepers: Mapping[int, EvidenceCollector]) -> None:
        """`keepers`: by chain; they may come later, when the bridge runs."""
        self._store = store
        self._keepers = keepers

    async def of(self, statement: RiskStatement) -> tuple[BlockEvidence, ...]:
        """The evidence for a package of this statement, in its order; blocks without a proof are missing."""
        found: list[BlockEvidence] = []
        size = LIST_BYTES
        left = dict.fromkeys(self._keepers, FETCH_SECONDS_MAX)
        for (chain_id, block_hash), terms in terms_of_blocks(statement.custody).items():
            number = terms[0].block_number
            evidence = self._kept(chain_id, number, block_hash, terms) or await self._fetched(chain_id, terms, left)
            needed = len(encode(evidence)) if evidence is not None else 0
            if evidence is None or size + needed > PART_BYTES_MAX["custody"] or len(found) == CUSTODY_BLOCKS_MAX:
                log.warning("custody is not proven", chain_id=chain_id, block=number, epoch=statement.epoch)
            else:
                found.append(evidence)
                size += needed
        return tuple(found)

    def _kept(
        self, chain_id: int, number: int, block_hash: bytes, terms: Sequence[CustodyTerm]
    ) -> BlockEvidence | None:
        kept = self._store.of_block(chain_id, number, block_hash)
        return None if kept is None else _narrowed(kept, terms)

    async def _fetched(
        self, chain_id: int, terms: Sequence[CustodyTerm], left: dict[int, float]
    ) -> BlockEvidence | None:
        """`left`: seconds that each chain may still take, which are counted down."""
        keeper = self._keepers.get(chain_id)
        if keeper is None:
            return None
        started = trio.current_time()
        try:
            with trio.move_on_after(left[chain_id]):
                return await keeper.prove(tuple(map(_fact, terms)))
        except CrossclearError as fault:
            log.warning("no storage proof of custody", chain_id=chain_id, fault=str(fault))
        finally:
            left[chain_id] = max(0.0, left[chain_id] - (trio.current_time() - started))
        return None


def _narrowed(evidence: BlockEvidence, terms: Sequence[CustodyTerm]) -> BlockEvidence | None:
    """As much of a block's evidence as these terms need; None when it does not prove their numbers."""
    pool: dict[bytes, bytes] = {keccak256(node): node for node in evidence.nodes}
    wanted = [Custodian(term.vault, term.token, term.balances) for term in terms]
    try:
        needed, counters = select_evidence(evidence.chain_id, evidence.header, pool, wanted)
        for term, found in zip(terms, counters, strict=True):
            check_counters(_fact(term), found)
    except CrossclearError as fault:
        log.warning("kept evidence proves something else", chain_id=evidence.chain_id, fault=str(fault))
        return None
    return needed


def _fact(term: CustodyTerm) -> CustodySeen:
    """The quorum's answer, in the bridge's terms."""
    return CustodySeen(
        chain_id=term.chain_id,
        vault=term.vault,
        token=term.token,
        block_number=term.block_number,
        block_hash=term.block_hash,
        deposited=term.deposited,
        withdrawn=term.withdrawn,
        balance=term.balance,
    )
