"""Statements whose custody made-up chain states prove."""

import msgspec

from clearing.base.evm.evidence import BlockEvidence, Custodian, select_evidence
from clearing.base.hashing import keccak256
from clearing.margin.statement.snapshot import CustodyTerm, RiskStatement
from proofs.statement.custody import terms_of_blocks
from tests.kit.evm_state import MadeState


def words_of(term: CustodyTerm) -> tuple[int, int, int]:
    """(deposited, withdrawn, balance)."""
    deposited, withdrawn, balance = (
        int.from_bytes(word, "big") for word in (term.deposited, term.withdrawn, term.balance)
    )
    return deposited, withdrawn, balance


def proven(statement: RiskStatement, **changes: bytes) -> tuple[RiskStatement, tuple[BlockEvidence, ...]]:
    """The statement with block hashes of made-up states that hold its numbers, and the evidence out of them."""
    states = dict[tuple[int, int], MadeState]()
    for term in statement.custody:
        state = states.setdefault((term.chain_id, term.block_number), MadeState())
        state.of(b"\x77" * 20).balance = 10**18
        state.hold(term.vault, term.token, term.balances, words_of(term))
    headers = {place: state.header(place[1], **changes) for place, state in states.items()}
    custody = tuple(
        msgspec.structs.replace(term, block_hash=keccak256(headers[term.chain_id, term.block_number]))
        for term in statement.custody
    )
    evidence = []
    for (chain, _), terms in terms_of_blocks(custody).items():
        place = (chain, terms[0].block_number)
        wanted = [Custodian(term.vault, term.token, term.balances) for term in terms]
        evidence.append(select_evidence(chain, headers[place], states[place].nodes, wanted)[0])
    return msgspec.structs.replace(statement, custody=custody), tuple(evidence)
