"""From an attack that a light client saw to proofs that a block can carry.

Rule: what a light client believes about the attack counts for nothing: each proof stands on the chain's own sets.
"""

from clearing.base.errors import RemoteFault
from consensus.codes import ConsensusCode
from consensus.evidence.offences import Proof, Sets
from consensus.light.attack import LightClientAttack, conflict
from consensus.light.client import signing_keys
from consensus.messages import ConflictingSignatures, ForeignCertificate


def proofs_of_attack(attack: LightClientAttack, sets: Sets) -> tuple[Proof, ...]:
    """Who signed for a set that the height never had, or both blocks in one round. Signatures are not verified here.

    Two rounds of the real set name nobody: certificates alone don't tell who forgot its lock. Raises RemoteFault
    BAD_EVIDENCE when nothing is left to prove, EVIDENCE_OUT_OF_TIME.
    """
    conflict(attack.common, attack.first, attack.second)
    height = attack.first.header.height
    real = sets(height).hash
    first, second = attack.first.certificate, attack.second.certificate
    proofs: list[Proof] = []
    for block in (attack.first, attack.second):
        if block.certificate.validators_hash == real:
            continue
        for known_at in _trusted_heights(attack.common.header.height, height):
            known = {validator.bls_key for validator in sets(known_at).validators}
            if known & signing_keys(block):
                proofs.append(ForeignCertificate(known_at, block.certificate, block.validators))
                break
    if first.validators_hash == second.validators_hash == real and first.round == second.round:
        low, high = sorted((first, second), key=lambda each: each.value)
        proofs.append(ConflictingSignatures(low, high))
    if not proofs:
        raise RemoteFault(ConsensusCode.BAD_EVIDENCE, "light client attack", height=height)
    return tuple(proofs)


def _trusted_heights(common: int, height: int) -> tuple[int, ...]:
    """Whose signatures a light client at `common` relied on: the set that it names as next, then its own."""
    return tuple(at for at in (common + 1, common) if 0 < at <= height)
