"""The stable codes of refusals and faults of proofs: 07xx.

Rule: a number never changes and is never used again. Verifiers raise `VerificationFailed`; `proofs.verify.verdict`
turns it into a named result. The code says what is wrong, the check's name says where.
"""

from clearing.base.errors import CodeBook, RemoteFault


class ProofCode(CodeBook):
    """Refusals and faults of the package `proofs`."""

    BAD_POINT = 701
    BAD_SCALAR = 702
    BAD_LENGTH = 703
    BAD_STATEMENT = 704
    BAD_LAYOUT = 705
    BAD_CHALLENGE = 706
    PROOF_REFUSED = 707
    WRONG_SRS = 708
    WRONG_ROOT = 709
    BOOK_NOT_MATCHED = 710
    RESERVES_SHORT = 711
    NOT_INCLUDED = 712
    WITNESS_OUT_OF_RANGE = 713
    BLINDERS_REUSED = 714
    WRONG_NETWORK = 715
    FUND_NOT_COVERED = 716
    RULES_DIFFER = 717
    CUSTODY_NOT_PROVEN = 720
    CUSTODY_DIFFERS = 721
    CUSTODY_STRAY = 722
    CUSTODY_UNLISTED = 723
    EQUIVOCATION = 730
    SET_NOT_LINKED = 731
    HISTORY_BACKWARDS = 732
    CHAIN_CONFLICT = 733
    EPOCH_MISSING = 734
    COUNTED_TWICE = 740
    BAD_CLUSTER = 750
    KEYS_DIFFER = 755


REMEDIES: dict[ProofCode, str] = {
    ProofCode.BAD_POINT: "A curve point is not canonical, not on the curve, not in the subgroup, or infinity.",
    ProofCode.BAD_SCALAR: "A field element is not below the group order, or is not 32 bytes long.",
    ProofCode.BAD_LENGTH: "Two lists that belong together differ in length, or a proof has the wrong number of bytes.",
    ProofCode.BAD_STATEMENT: "The public statement contradicts itself. The values name the item.",
    ProofCode.BAD_LAYOUT: "The slots and rows do not fit the proof system: widths, coefficients or domain.",
    ProofCode.BAD_CHALLENGE: "A challenge fell on a forbidden point (probability 2^-240). Prove again.",
    ProofCode.PROOF_REFUSED: "The proof does not verify: some account breaks a range or a row, or bytes were changed.",
    ProofCode.WRONG_SRS: "The structured reference string is not the Ethereum KZG ceremony's, or its file is damaged.",
    ProofCode.WRONG_ROOT: "Statement and commitments are not those that the validators certified.",
    ProofCode.BOOK_NOT_MATCHED: "The commitments do not sum to the public totals: the book is not matched.",
    ProofCode.RESERVES_SHORT: "Custody does not cover what the ledger owes. The values name chain and token.",
    ProofCode.NOT_INCLUDED: "The account's commitment, recomputed from holdings and seed, is not in the list.",
    ProofCode.WITNESS_OUT_OF_RANGE: (
        "The prover's own holdings break a range or a row. List the shortfall and try again."
    ),
    ProofCode.BLINDERS_REUSED: "A proof session was used twice. Start a new one: blinders are single-use.",
    ProofCode.WRONG_NETWORK: (
        "The package is from another network than the requested one, or from another validator set. Where the set "
        "has changed since genesis, follow it first (`crossclear light follow`, `verify --light-store`)."
    ),
    ProofCode.FUND_NOT_COVERED: (
        "It is not proven that the default fund covers the stress losses of its two largest members."
    ),
    ProofCode.RULES_DIFFER: (
        "Slots, rows or prices are not those of the statement's rulebook, or differ from what genesis fixes. The "
        "values name the first difference."
    ),
    ProofCode.CUSTODY_NOT_PROVEN: (
        "Header and nodes of a chain do not prove a vault's counters. Check whether the file was changed."
    ),
    ProofCode.CUSTODY_DIFFERS: "A chain's state proves another number than the quorum certified. The values name it.",
    ProofCode.CUSTODY_STRAY: "A storage proof is for a block that no custody term names, or is out of order.",
    ProofCode.CUSTODY_UNLISTED: (
        "Custody names a vault, token, unit or slot that the trusted genesis does not have, or names none for an "
        "asset that it has."
    ),
    ProofCode.EQUIVOCATION: (
        "Validators certified two values for one height or epoch. Believe neither and keep both files."
    ),
    ProofCode.SET_NOT_LINKED: "A package's validators are not those that the package before names: the set changed "
    "more than once in between. Follow the sets (`crossclear light follow`), verify that package with `--light-store`.",
    ProofCode.HISTORY_BACKWARDS: "A value that can only grow decreased from one certified header to a later one.",
    ProofCode.CHAIN_CONFLICT: "Two packages name different hashes for one block of one chain, both as final.",
    ProofCode.EPOCH_MISSING: "There is no good package of an epoch between two others. Ask another node for it.",
    ProofCode.COUNTED_TWICE: (
        "Custody terms contradict each other: one token, or one block, could count twice. The values name chain, "
        "block and token."
    ),
    ProofCode.BAD_CLUSTER: "The cluster of `proofs.prover` does not answer or has no workers, or the extra `dask` is "
    "missing.",
    ProofCode.KEYS_DIFFER: (
        "Keys for a contract are not those that the certified statement and the leaves give. The place names the "
        "first that differs. With such keys, contracts could accept false proofs."
    ),
}


class VerificationFailed(RemoteFault):
    """A check of a verifier failed: the file is wrong."""


class Inconclusive(str):
    """The result of a check that found nothing wrong but could not prove all that it is meant to prove."""

    __slots__ = ()
