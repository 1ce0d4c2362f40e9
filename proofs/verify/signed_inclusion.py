"""The signed inclusion answer: what a node told an owner of its leaf, which a third party can hold against the package.

Rule: a node signs all that it tells: network, epoch, height, account, the owner's address, the seed of the epoch and
the holdings. From these and a certified package follows the one C_W that the list must have for the account. Another
one, or none, is a contradiction between the node's signature and the quorum's, which anybody can check. Who is shown
the answer learns seed and holdings of that one epoch. It must not import provers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

import msgspec

from clearing.base.certificate import signer_indices
from clearing.base.codec import I64, U63, Bytes20, Bytes32, Bytes64, Wire, decode, encode
from clearing.base.ed25519 import verify as verify_ed25519
from clearing.base.errors import BaseCode, CrossclearError, RemoteFault
from clearing.base.hashing import tagged_hash
from clearing.base.ids import Hash32
from clearing.margin.statement.snapshot import AccountHoldings
from proofs.algebra.commitment import commit_holdings
from proofs.algebra.srs import basis
from proofs.epoch.package import EpochPackage
from proofs.errors import ProofCode, VerificationFailed
from proofs.statement.arithmetization import complete_holdings, context_of
from proofs.verify.attestations import attested_of_answer
from proofs.verify.freshness import Freshness
from proofs.verify.inclusion import own_account
from proofs.verify.package_verifier import PackageChecks
from proofs.verify.verdict import Attested

AnswerFormat = Literal["crossclear-inclusion/1"]
ANSWER_FORMAT: AnswerFormat = "crossclear-inclusion/1"
ANSWER_TAG = "crossclear/inclusion-answer/v1"
ANSWER_BYTES_MAX = 1 << 20
NO_SIGNATURE = bytes(64)


class SignedInclusion(Wire, frozen=True):
    """A node's answer. `signer`: the Ed25519 key of its envelopes, by which a validator set lists it."""

    format: AnswerFormat
    network: Bytes32
    epoch: U63
    height: U63
    """Of the snapshot."""
    account: U63
    owner: Bytes20
    """The address to which the commitment is bound."""
    seed: Bytes32
    holdings: Annotated[tuple[tuple[str, I64], ...], msgspec.Meta(max_length=4096)]
    """(slot name, amount) of what is not zero, ordered by name."""
    signer: Bytes32
    signature: Bytes64

    def digest(self) -> Hash32:
        """What the node signs."""
        return tagged_hash(ANSWER_TAG, encode(msgspec.structs.replace(self, signature=NO_SIGNATURE)))


@dataclass(frozen=True)
class Accusation:
    """What a signed answer and a package say of each other."""

    contradicted: bool
    """Whether the certified package refutes what the node signed."""
    is_validator: bool
    """Whether the node is in the set that certified the package."""
    detail: str
    has_signed: bool = False
    """Whether the node itself signed the header that carries the list; else the list is others' word against it."""
    attested: tuple[Attested, ...] = ()
    """What of the list's header is the quorum's word: its time, its heights and its epoch."""


def sign_inclusion(answer: SignedInclusion, sign: Callable[[bytes], bytes]) -> SignedInclusion:
    """The answer with its signature. `sign`: of a digest, by the key `answer.signer`."""
    return msgspec.structs.replace(answer, signature=sign(answer.digest()))


def decode_answer(data: bytes) -> SignedInclusion:
    """Read an answer without judging it.

    Raises RemoteFault OVERSIZE, NON_CANONICAL, MALFORMED, also where a slot is named twice or out of order: the answer
    would say two amounts of it, and only one be compared.
    """
    answer = decode(data, SignedInclusion, ANSWER_BYTES_MAX)
    if any(a >= b for (a, _), (b, _) in pairwise(answer.holdings)):
        raise RemoteFault(BaseCode.MALFORMED, "holdings are not in order, each once", slots=len(answer.holdings))
    return answer


def read_answer(data: bytes) -> SignedInclusion:
    """Read an answer and check its signature. Raises as `decode_answer`, and VerificationFailed BAD_ANSWER."""
    answer = decode_answer(data)
    if not verify_ed25519(answer.signer, answer.digest(), answer.signature):
        raise VerificationFailed(ProofCode.BAD_ANSWER, "signature", signer=answer.signer)
    return answer


def accuse(
    answer: SignedInclusion,
    package: EpochPackage,
    *,
    network: bytes | None = None,
    validators_hash: bytes | None = None,
    freshness: Freshness | None = None,
) -> Accusation:
    """Whether the certified package contradicts an answer of `read_answer`.

    The package's proofs are not checked, only that a quorum certified its list, and at the time that `freshness` states
    also whether that quorum still counts: of a set that has retired, any list can be had. Raises VerificationFailed for
    a package that is not certified, or not at that time, BAD_ANSWER for an answer of another network or epoch.
    """
    for name, check in PackageChecks(package, network, validators_hash, freshness=freshness).of_public_part():
        if name != "rules":
            check()
    statement = package.statement
    if (answer.network, answer.epoch) != (statement.network, statement.epoch):
        raise VerificationFailed(
            ProofCode.BAD_ANSWER, "another epoch's", answered=answer.epoch, certified=statement.epoch
        )
    keys = [validator.envelope_key for validator in package.validators.validators]
    signed = {keys[index] for index in signer_indices(package.certificate.signers)}
    detail = _contradiction(answer, package)
    told = f"node {answer.signer.hex()} told account {answer.account} of epoch {answer.epoch} of network "
    told += answer.network.hex()
    return Accusation(
        contradicted=bool(detail),
        is_validator=answer.signer in keys,
        detail=f"{told} a leaf that the certified list lacks: {detail}"
        if detail
        else f"{told} the leaf that is in the list",
        has_signed=answer.signer in signed,
        attested=attested_of_answer(package),
    )


def _contradiction(answer: SignedInclusion, package: EpochPackage) -> str:
    """How the answer differs from the package; empty where it does not."""
    statement = package.statement
    if answer.height != statement.height:
        return f"the snapshot is of height {statement.height}, not {answer.height}"
    certified = dict(package.commitments).get(answer.account)
    if certified is None:
        return "there is no such account"
    try:
        own = own_account(package, answer.account, dict(answer.holdings), answer.seed, answer.owner)
        values = complete_holdings(statement, AccountHoldings(own.account, own.values))
        found = commit_holdings(basis(package.domain), values, own.seed, context_of(statement, own.account, own.owner))
    except CrossclearError as fault:
        return f"its holdings are none: {fault}"
    return "" if found == certified else "its holdings, seed and owner give another commitment"
