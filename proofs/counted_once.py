"""Whether custody terms, as stated, may count one token twice, or hold out of nothing.

Rule: what a chain holds is counted at one of its blocks: of one number there is one block, a block belongs to one
chain, and a token in two vaults of a chain is counted in both at the same block, for in between it could be moved.
It must not know what the vaults hold: `proofs.custody` compares that.
"""

from collections.abc import Sequence

from clearing.margin.snapshot import CustodyTerm
from proofs.errors import ProofCode, Refused

WORD_BITS = 256


def check_counted_once(terms: Sequence[CustodyTerm]) -> None:
    """Raises Refused COUNTED_TWICE, naming the chain, or BAD_STATEMENT for a unit or a width that is none."""
    hashes: dict[tuple[int, int], bytes] = {}
    blocks: dict[bytes, tuple[int, int]] = {}
    tokens: dict[tuple[int, bytes], int] = {}
    for term in terms:
        if term.unit == 0 or not 0 < term.balances.bits <= WORD_BITS:
            # Of a unit of nothing, any number would be owed and nothing held.
            raise Refused(ProofCode.BAD_STATEMENT, "custody unit", unit=term.unit, bits=term.balances.bits)
        number = (term.chain_id, term.block_number)
        if hashes.setdefault(number, term.block_hash) != term.block_hash:
            raise _twice("two blocks of one number", term)
        if blocks.setdefault(term.block_hash, number) != number:
            raise _twice("one block as two", term)
        if tokens.setdefault((term.chain_id, term.token), term.block_number) != term.block_number:
            raise _twice("one token at two blocks", term)


def _twice(why: str, term: CustodyTerm) -> Refused:
    return Refused(
        ProofCode.COUNTED_TWICE,
        why,
        chain=term.chain_id,
        block=term.block_number,
        hash=term.block_hash,
        token=term.token,
    )
