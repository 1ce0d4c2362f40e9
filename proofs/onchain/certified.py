"""The proof of one account under certified keys: what whoever was given the leaves by somebody else has to use.

Rule: C_D hides with two blinders, so it may be opened once. Other leaves beside the own one would be another root,
another y and a second opening, after which holdings can be guessed and confirmed. So nothing is proven but for keys
that a quorum signed, over leaves of which the own one is the prover's own. Whom to trust is the caller's to know.
"""

from collections.abc import Sequence

from clearing.base import bls
from clearing.base.certificate import signer_indices
from clearing.base.codec import Bytes32, Bytes96, Wire
from clearing.base.errors import BaseCode, RemoteFault
from clearing.base.validators import ValidatorSet
from proofs.errors import ProofCode, Refused
from proofs.linear.statement import weights_of
from proofs.linear.witness import Witness
from proofs.onchain.keys import EpochKeys, EpochStatement, certified_digest, derive_keys
from proofs.onchain.leaves import Leaf, make_leaf, row_challenge
from proofs.onchain.prover import prove_leaf
from proofs.srs import basis


class KeysCertificate(Wire, frozen=True):
    """A quorum's signature over epoch keys. `signers` has bit i of the big-endian integer set for validator i."""

    signers: Bytes32
    aggregate: Bytes96


def check_keys_certificate(keys: EpochKeys, certificate: KeysCertificate, validators: ValidatorSet) -> None:
    """Whether more than two thirds of the set's power signed the keys, as the contract sees it. Raises RemoteFault."""
    indices = signer_indices(certificate.signers)
    if indices and indices[-1] >= len(validators.validators):
        raise RemoteFault(BaseCode.STRAY_SIGNER, "epoch keys", signer=indices[-1])
    signed = [validators.validators[index] for index in indices]
    power = sum(validator.power for validator in signed)
    if not validators.is_quorum(power):
        raise RemoteFault(BaseCode.UNDER_QUORUM, "epoch keys", power=power, total=validators.total_power)
    digest = certified_digest(keys, validators.hash)
    if not bls.verify_aggregate([validator.bls_key for validator in signed], digest, certificate.aggregate):
        raise RemoteFault(BaseCode.BAD_SIGNATURE, "epoch keys", epoch=keys.epoch)


def prove_certified_account(
    statement: EpochStatement,
    leaves: Sequence[Leaf],
    index: int,
    witness: Witness,
    seed: bytes,
    certificate: KeysCertificate,
    validators: ValidatorSet,
) -> tuple[EpochKeys, bytes]:
    """The keys, and the proof of account number `index`, whoever the leaves are from.

    Raises Refused WRONG_ROOT when the leaf is not the one of this witness and seed, RemoteFault for keys that no quorum
    of the set signed, and as `prover.prove_account`.
    """
    linear = statement.linear
    keys = derive_keys(statement, leaves)
    if (
        not 0 <= index < len(leaves)
        or make_leaf(linear, index, witness, seed, basis(linear.layout.size)) != leaves[index]
    ):
        raise Refused(ProofCode.WRONG_ROOT, "own leaf", index=index, leaves=len(leaves))
    check_keys_certificate(keys, certificate, validators)
    weights = weights_of(linear.layout, row_challenge(linear.context, linear.layout.digest, keys.leaves_root))
    return keys, prove_leaf(linear.layout, weights, keys, leaves[index], witness, seed)
