"""Reserves: custody covers what the ledger owes, and the chains' own states prove what custody is.

Rule: what a vault lacks of a collateral token is stated, and the token counts for no more than the rest
(`proofs.statement.rulebook_checks`). Cash has no haircut, so cash that a vault lacks is refused. Every number of a
custody term that has evidence is read out of the state of the very block that the quorum certified, and must be equal;
evidence that proves nothing of the statement is refused. A term without evidence is never taken for proven: its
assurance says what must be believed. No token is counted twice: one number of a chain names one block, a block belongs
to one chain, and a token in two vaults of a chain is counted in both at the same block, because in between it could be
moved. It must not know how evidence is gathered.
"""

from collections.abc import Collection, Sequence
from enum import IntEnum

from clearing.base.errors import Detail, RemoteFault
from clearing.base.evm.evidence import NATIVE, BlockEvidence, OrderedNodes, ProvenState, read_counters
from clearing.genesis.custody_listing import ListedCustody
from clearing.margin.statement.snapshot import CustodyTerm, RiskStatement, SlotKind
from proofs.errors import ProofCode, VerificationFailed

Block = tuple[int, bytes]
"""(chain id, block hash)."""


class CustodyAssurance(IntEnum):
    """What vouches for the numbers of a custody term."""

    ATTESTED = 1
    """Attested by the quorum alone: the package has no evidence for the block."""
    COUNTERS_PROVEN = 2
    """The vault's counters are proven; the token names no storage place, so its balance is attested by the quorum."""
    PROVEN = 3
    """Counters and balance are proven."""


def check_reserves(statement: RiskStatement) -> str:
    """Whether each vault accounts for all that is owed, has as much of cash, and the holdings sum to the public totals.
    The result names what the vaults lack of collateral tokens.

    Raises VerificationFailed RESERVES_SHORT.
    """
    holdings: dict[int, int] = {}
    for term in statement.custody:
        balance = int.from_bytes(term.balance, "big")
        if term.owed != term.accounted or (term.missing and statement.slots[term.slot].kind is SlotKind.CASH):
            raise _refused(ProofCode.RESERVES_SHORT, term, owed=term.owed, accounted=term.accounted, balance=balance)
        holdings[term.slot] = holdings.get(term.slot, 0) + term.held
    for total in statement.totals:
        slot = statement.slots[total.slot]
        if slot.kind is not SlotKind.POSITION and total.total != holdings.get(total.slot, 0):
            raise VerificationFailed(
                ProofCode.RESERVES_SHORT, slot.name, total=total.total, held=holdings.get(total.slot, 0)
            )
    short = shortages(statement)
    covered = f"{len(statement.custody) - len(short)} custody balances cover what the ledger owes"
    return f"{covered}; {'; '.join(short)}" if short else covered


def shortages(statement: RiskStatement) -> tuple[str, ...]:
    """What vaults lack of what they account for, one phrase for each custody term that is short, in order."""
    return tuple(
        f"the vault on chain {term.chain_id} lacks {term.missing} of {term.accounted} base units of {term.token.hex()}"
        for term in statement.custody
        if term.missing
    )


def check_listed(statement: RiskStatement, listed: Collection[ListedCustody]) -> str:
    """Whether the custody terms are those of the assets that a trusted genesis lists, all of them and no others.

    Raises VerificationFailed CUSTODY_UNLISTED.
    """
    missing = {(custody.chain_id, custody.token) for custody in listed}
    for term in statement.custody:
        slot = statement.slots[term.slot].name
        stated = ListedCustody(term.chain_id, term.vault, term.token, term.balances, term.unit, slot)
        if stated not in listed:
            raise _refused(ProofCode.CUSTODY_UNLISTED, term, vault=term.vault, unit=term.unit, slot=slot)
        missing.discard((term.chain_id, term.token))
    for chain_id, token in sorted(missing):
        raise VerificationFailed(ProofCode.CUSTODY_UNLISTED, f"chain {chain_id} missing", token=token)
    return "; vaults, tokens and units are those of genesis"


def check_custody(statement: RiskStatement, evidence: Sequence[BlockEvidence]) -> tuple[CustodyAssurance, ...]:
    """Check the storage proofs against the statement; returns the assurance of each custody term, in order.

    Raises VerificationFailed CUSTODY_STRAY for evidence of no block of the statement or out of order,
    CUSTODY_NOT_PROVEN where header and nodes prove nothing, CUSTODY_DIFFERS where they prove another number than the
    stated one.
    """
    blocks = terms_of_blocks(statement.custody)
    places = {block: place for place, block in enumerate(blocks)}
    last = -1
    for block_evidence in evidence:
        block = (block_evidence.chain_id, block_evidence.block_hash)
        place = places.get(block, -1)
        if place <= last:
            raise VerificationFailed(
                ProofCode.CUSTODY_STRAY, f"chain {block_evidence.chain_id}", block_hash=block_evidence.block_hash
            )
        last = place
        _check_block(block_evidence, blocks[block])
    return custody_assurances(statement, evidence)


def custody_assurances(statement: RiskStatement, evidence: Sequence[BlockEvidence]) -> tuple[CustodyAssurance, ...]:
    """What vouches for each custody term, if the evidence is right: `check_custody` says whether it is."""
    proven_blocks = {(proven.chain_id, proven.block_hash) for proven in evidence}
    return tuple(
        CustodyAssurance.ATTESTED
        if (term.chain_id, term.block_hash) not in proven_blocks
        else CustodyAssurance.PROVEN
        if term.balances.is_known or term.token == NATIVE
        else CustodyAssurance.COUNTERS_PROVEN
        for term in statement.custody
    )


def terms_of_blocks(terms: Sequence[CustodyTerm]) -> dict[Block, list[CustodyTerm]]:
    """The terms of each block, blocks in the order in which the terms first name them."""
    blocks: dict[Block, list[CustodyTerm]] = {}
    for term in terms:
        blocks.setdefault((term.chain_id, term.block_hash), []).append(term)
    return blocks


def _check_block(evidence: BlockEvidence, terms: Sequence[CustodyTerm]) -> None:
    nodes = OrderedNodes(evidence.nodes)
    try:
        state = ProvenState(evidence.header, nodes)
        for term in terms:
            _check_term(state, term)
        nodes.check_all_used()
    except VerificationFailed:
        raise
    except RemoteFault as fault:
        raise VerificationFailed(
            ProofCode.CUSTODY_NOT_PROVEN, f"chain {evidence.chain_id}", block=terms[0].block_number, why=str(fault)
        ) from None


def _check_term(state: ProvenState, term: CustodyTerm) -> None:
    found = read_counters(state, term.vault, term.token, term.balances)
    numbers = (
        ("block number", term.block_number, state.number),
        ("deposited", int.from_bytes(term.deposited, "big"), found.deposited),
        ("withdrawn", int.from_bytes(term.withdrawn, "big"), found.withdrawn),
        ("balance", int.from_bytes(term.balance, "big"), found.balance),
    )
    for name, stated, proven in numbers:
        if proven is not None and stated != proven:
            block = term.block_number
            raise _refused(ProofCode.CUSTODY_DIFFERS, term, f" {name}", block=block, stated=stated, proven=proven)


def _refused(code: ProofCode, term: CustodyTerm, what: str = "", /, **values: Detail) -> VerificationFailed:
    return VerificationFailed(code, f"chain {term.chain_id}{what}", token=term.token, **values)


def custody_detail(found: Sequence[CustodyAssurance]) -> str:
    """The result of the passed check as text."""
    proven, counters = found.count(CustodyAssurance.PROVEN), found.count(CustodyAssurance.COUNTERS_PROVEN)
    text = f"{proven} of {len(found)} custody balances proven by the chains' states"
    if counters:
        text += f", {counters} by the vault's counters alone"
    attested = len(found) - proven - counters
    return f"{text}, {attested} attested by the quorum and not proven" if attested else text


def custody_limits(
    statement: RiskStatement, found: Sequence[CustodyAssurance], *, listed: bool = False
) -> tuple[str, ...]:
    """What must be believed about custody, one sentence for each kind of term.

    `listed`: whether vaults and tokens were compared with a trusted genesis.
    """
    named = [f"{term.token.hex()} on chain {term.chain_id}" for term in statement.custody]
    attested = [name for name, assurance in zip(named, found, strict=True) if assurance is CustodyAssurance.ATTESTED]
    counters = [
        name for name, assurance in zip(named, found, strict=True) if assurance is CustodyAssurance.COUNTERS_PROVEN
    ]
    limits = [
        f"Claims exceed what backs them: {short}. Every claim on the token counts for its share of the rest; who bears "
        "the loss is not settled."
        for short in shortages(statement)
    ]
    if any(assurance is not CustodyAssurance.ATTESTED for assurance in found):
        limits.append(
            "More than two thirds of the validators attest that the blocks whose states prove custody are final on "
            "their chains."
        )
    if not listed:
        limits.append(
            "More than two thirds of the validators attest that the named vaults, tokens, units and storage places are "
            "the network's: compare them with a trusted genesis file."
        )
    if attested:
        limits.append(
            f"The package has no storage proof of custody for {', '.join(attested)}: counters and balance are "
            "attested by the quorum, not proven."
        )
    if counters:
        limits.append(
            f"Genesis names no storage place of the balances of {', '.join(counters)}: the balance is attested by the "
            "quorum, not proven; the vault's counters are proven."
        )
    return tuple(limits)


WORD_BITS = 256


def check_counted_once(terms: Sequence[CustodyTerm]) -> None:
    """Raises VerificationFailed COUNTED_TWICE, naming the chain, or BAD_STATEMENT for an invalid unit or width."""
    hashes: dict[tuple[int, int], bytes] = {}
    blocks: dict[bytes, tuple[int, int]] = {}
    tokens: dict[tuple[int, bytes], int] = {}
    for term in terms:
        if term.unit == 0 or not 0 < term.balances.bits <= WORD_BITS:
            # With a unit of zero, any number could be owed and nothing be in custody.
            raise VerificationFailed(ProofCode.BAD_STATEMENT, "custody unit", unit=term.unit, bits=term.balances.bits)
    for term in terms:
        number = (term.chain_id, term.block_number)
        if hashes.setdefault(number, term.block_hash) != term.block_hash:
            raise _counted_twice("two blocks of one number", term)
        if blocks.setdefault(term.block_hash, number) != number:
            raise _counted_twice("one block as two", term)
        if tokens.setdefault((term.chain_id, term.token), term.block_number) != term.block_number:
            raise _counted_twice("one token at two blocks", term)


def _counted_twice(why: str, term: CustodyTerm) -> VerificationFailed:
    return VerificationFailed(
        ProofCode.COUNTED_TWICE,
        why,
        chain=term.chain_id,
        block=term.block_number,
        hash=term.block_hash,
        token=term.token,
    )
