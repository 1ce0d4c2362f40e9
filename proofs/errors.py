"""The stable codes of refusals and faults of proofs: 07xx.

Rule: a number never changes and is never used again. Verifiers raise `VerificationFailed`; `proofs.verify.verdict`
turns it into a named result. The code says what is wrong, the check's name says where.
"""

from clearing.base.errors import CodeBook, RemoteFault


class ProofCode(CodeBook):
    """Refusals and faults of the package `proofs`."""

    BAD_POINT = 701, "A curve point is not canonical, not on the curve, not in the subgroup, or infinity."
    BAD_SCALAR = 702, "A field element is not below the group order, or is not 32 bytes long."
    BAD_LENGTH = 703, "Two lists that belong together differ in length, or a proof has the wrong number of bytes."
    BAD_STATEMENT = 704, "The public statement contradicts itself. The values name the item."
    BAD_LAYOUT = 705, "The slots and rows do not fit the proof system: widths, coefficients or domain."
    BAD_CHALLENGE = 706, "A challenge fell on a forbidden point (probability 2^-240). Prove again."
    PROOF_REFUSED = 707, "The proof does not verify: some account breaks a range or a row, or bytes were changed."
    WRONG_SRS = 708, "The structured reference string is not the Ethereum KZG ceremony's, or its file is damaged."
    WRONG_ROOT = 709, "Statement and commitments are not those that the validators certified."
    BOOK_NOT_MATCHED = 710, "The commitments do not sum to the public totals: the book is not matched."
    RESERVES_SHORT = 711, "Custody does not cover what the ledger owes. The values name chain and token."
    NOT_INCLUDED = 712, "The account's commitment, recomputed from holdings and seed, is not in the list."
    WITNESS_OUT_OF_RANGE = 713, "The prover's own holdings break a range or a row. List the shortfall and try again."
    BLINDERS_REUSED = 714, "A proof session was used twice. Start a new one: blinders are single-use."
    WRONG_NETWORK = (
        715,
        "The package is from another network than the requested one, or from another validator set. Where the set "
        "has changed since genesis, follow it first (`crossclear light follow`, `verify --light-store`).",
    )
    FUND_NOT_COVERED = (
        716,
        "It is not proven that the default fund covers the stress losses of its two largest members.",
    )
    RULES_DIFFER = (
        717,
        "Slots, rows or prices are not those of the statement's rulebook, or differ from what genesis fixes. The "
        "values name the first difference.",
    )
    CUSTODY_NOT_PROVEN = (
        720,
        "Header and nodes of a chain do not prove a vault's counters. Check whether the file was changed.",
    )
    CUSTODY_DIFFERS = 721, "A chain's state proves another number than the quorum certified. The values name it."
    CUSTODY_STRAY = 722, "A storage proof is for a block that no custody term names, or is out of order."
    CUSTODY_UNLISTED = (
        723,
        "Custody names a vault, token, unit or slot that the trusted genesis does not have, or names none for an "
        "asset that it has. After a vote on chains or tokens, fetch what was voted (`crossclear governance "
        "amendments`) and name it with `--amendments`.",
    )
    EQUIVOCATION = 730, "Validators certified two values for one height or epoch. Believe neither and keep both files."
    SET_NOT_LINKED = (
        731,
        "A package's validators are not those that the package before names: the set changed "
        "more than once in between. Follow the sets (`crossclear light follow`), verify that package with "
        "`--light-store`.",
    )
    HISTORY_BACKWARDS = 732, "A value that can only grow decreased from one certified header to a later one."
    CHAIN_CONFLICT = 733, "Two packages name different hashes for one block of one chain, both as final."
    EPOCH_MISSING = 734, "There is no good package of an epoch between two others. Ask another node for it."
    COUNTED_TWICE = (
        740,
        "Custody terms contradict each other: one token, or one block, could count twice. The values name chain, "
        "block and token.",
    )
    UNKNOWN_KIND = (
        741,
        "A slot or row is of a kind that this version does not know, so the package cannot be judged. Install a newer "
        "version.",
    )
    EPOCH_DIFFERS = 742, "The statement names another epoch than the header that certifies it."
    PRICE_OUT_OF_BOUNDS = (
        743,
        "A price is outside of what the rulebook allows beside its index. The values name the price and the bounds.",
    )
    COMMITMENTS_EQUAL = (
        744,
        "Two accounts have one commitment, so one of their owners was shown the other's. Believe none of the package.",
    )
    ANSWER_CONTRADICTED = (
        745,
        "A node signed an inclusion that the certified package does not have. Keep both files: anybody can check them.",
    )
    BAD_ANSWER = (
        746,
        "A signed inclusion is of another network, epoch or account, or its signature is not the named node's. Ask "
        "the node again.",
    )
    BAD_CLUSTER = (
        750,
        "The cluster of `proofs.prover` does not answer or has no workers, or the extra `dask` is missing.",
    )
    KEYS_DIFFER = (
        755,
        "Keys for a contract are not those that the certified statement and the leaves give. The place names the "
        "first that differs. With such keys, contracts could accept false proofs.",
    )
    STALE = (
        756,
        "Header or prices are older than is accepted. Get a newer package, or state the age that you accept "
        "(`--max-age`, `any` for every age) or the time at which it is to be judged (`--at`).",
    )
    FROM_THE_FUTURE = 757, "The header's time lies ahead of the stated time. Compare the clocks."
    SET_EXPIRED = (
        758,
        "The trusted validator set was last known to be in force longer ago than the trusting period; who has left it "
        "since may have signed. Follow the sets (`crossclear light follow`, `--light-store`), or state when you last "
        "knew the set to be in force (`--set-known-at`).",
    )
    BELOW_MIN_HEIGHT = 759, "The snapshot is below the minimum height. Get the package of a later epoch."
    CHECK_OPEN = (
        760,
        "Nothing is wrong, but a check could not show all that it is there to show, and `--strict` accepts no such "
        "check. Get a package with the evidence and name whom you trust, or accept what is open: `--allow-open CHECK`, "
        "or `--no-strict` for all.",
    )
    NOT_PRESENTED = (
        761,
        "The proof was not presented for this chain, contract, caller and purpose by the account's own key. Ask the "
        "member to present it again (`crossclear onchain prove --caller`).",
    )
    EPOCH_IMPOSSIBLE = (
        762,
        "The epoch is 0 or above its own height. Epochs are numbered from 1, and each closes at a height of its own, "
        "so no chain has it: believe nothing of the file.",
    )
    CLAIMS_UNEXPLAINED = (
        776,
        "Claims on a token moved by more than the certified flows explain: deposits are no longer counted, or there "
        "are more strays or dust than there can be. A claim may be hidden: keep the files, and let owners check their "
        "accounts in both (`crossclear verify --account`).",
    )
    TOKEN_LEFT_OUT = (
        777,
        "A package states nothing of a token of which an earlier one certified deposits or withdrawals. Claims on it "
        "may be hidden: keep both files.",
    )
    ACCOUNT_RETURNED = (
        778,
        "An account is listed again after a package that did not list it. Numbers of closed accounts are never used "
        "again, so its claims were hidden: keep both files.",
    )
    ABOVE_LIMITS = (
        779,
        "Claims on a token fell by more than the network's withdrawal limits let out of accounts. After a vote on "
        "limits, fetch what was voted (`crossclear governance amendments`) and name it with `--amendments`. Otherwise "
        "claims may be hidden: keep the files, and let owners check their accounts in both.",
    )
    WORKERS_LOST = (
        786,
        "All workers of the cluster were lost before the proof was done. Start workers again (`dask worker`); the "
        "epoch's other prover may prove it meanwhile.",
    )
    SHARE_REFUSED = (
        787,
        "Workers of the cluster returned shares of a proof that differ from what they should be. Take the named ones "
        "out of the cluster: their memory is faulty, their version is another, or they lie.",
    )


class VerificationFailed(RemoteFault):
    """A check of a verifier failed: the file is wrong."""


class Inconclusive(str):
    """The result of a check that found nothing wrong but could not prove all that it is meant to prove."""

    __slots__ = ()
