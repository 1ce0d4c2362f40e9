"""Light-client attacks: two final headers of one height, the validators to blame, and the proofs for a block.

Rule: only certificates prove an attack. A witness that presents another header must lead to it from a header
that both sides have; if it can't, the witness lied; if it can, more than a third of some set did. What a light
client believes about the attack does not count: each proof is checked with the chain's own sets.
"""

from collections.abc import Generator, Sequence

from clearing.base.codec import Wire
from clearing.base.errors import RemoteFault
from clearing.base.header import Header
from consensus.codes import ConsensusCode
from consensus.evidence.offences import Proof, Sets
from consensus.light_client import LightBlock, LightVerifier, TrustPolicy, bisection, check_block, signing_keys
from consensus.messages import ConflictingSignatures, ForeignCertificate


class LightClientAttack(Wire, frozen=True):
    """Evidence: two certified blocks of one height that both follow from `common` for a light client."""

    common: LightBlock
    first: LightBlock
    second: LightBlock


def cross_check(
    trace: Sequence[LightBlock], policy: TrustPolicy, now_ms: int, verifier: LightVerifier
) -> Generator[int, LightBlock, LightClientAttack | None]:
    """Compare what `bisection` returned with one witness: yields heights, is sent the witness's blocks there.

    Returns None when the witness has the same last header, else the attack. Raises RemoteFault when the witness's own
    header doesn't verify (ask another), LocalFault TRUST_EXPIRED.
    """
    last = trace[-1]
    presented = yield last.header.height
    if presented.header.height == last.header.height and presented.header.hash == last.header.hash:
        return None
    common = trace[0]
    for ours in trace[1:]:
        theirs = presented if ours is last else (yield ours.header.height)
        if theirs.header.hash == ours.header.hash:
            common = ours
            continue
        followed = yield from _follow(common, theirs, ours.header.height, policy, now_ms, verifier)
        return conflict(common, ours, followed)
    raise RemoteFault(ConsensusCode.WRONG_HEIGHT, "witness", stated=presented.header.height, wanted=last.header.height)


def conflict(common: LightBlock, first: LightBlock, second: LightBlock) -> LightClientAttack:
    """Evidence in its canonical form, the lower hash first. Raises RemoteFault when the two do not conflict."""
    low, high = sorted((first, second), key=lambda block: block.header.hash)
    if low.header.height != high.header.height or low.header.hash == high.header.hash:
        raise RemoteFault(
            ConsensusCode.BAD_EVIDENCE, "light blocks", first=low.header.height, second=high.header.height
        )
    return LightClientAttack(common=common, first=low, second=high)


def check_attack(attack: LightClientAttack, verifier: LightVerifier) -> None:
    """Check that both headers are certified by sets whose keys are possessed. Raises RemoteFault.

    The caller checks that `common` is of the chain.
    """
    conflict(attack.common, attack.first, attack.second)
    if (
        attack.first.header.hash > attack.second.header.hash
        or attack.common.header.height >= attack.first.header.height
    ):
        raise RemoteFault(ConsensusCode.BAD_EVIDENCE, "order", height=attack.first.header.height)
    for block in (attack.first, attack.second):
        if block.header.network != attack.common.header.network:
            raise RemoteFault(ConsensusCode.BAD_EVIDENCE, "network", stated=block.header.network)
        check_block(block)
        verifier.check_set(block.validators)
        verifier.verify_certificate(block.certificate, block.validators, block.header.network)


def accused(attack: LightClientAttack, decided: Header) -> tuple[bytes, ...]:
    """BLS keys of the validators that certainly lied, after `check_attack`; `decided` is the chain's own header.

    A set that the height never had: its signers from the common header's sets (lunatic). Same set and round: the
    signers of both (equivocation). The height's own set in another round: none, because certificates alone don't prove
    who forgot its lock (amnesia), also beside a lunatic block.
    """
    first, second = attack.first, attack.second
    found: set[bytes] = set()
    if first.header.validators_hash == second.header.validators_hash:
        same = first.certificate.round == second.certificate.round
        found = set(signing_keys(first) & signing_keys(second)) if same else set()
    answerable = {
        validator.bls_key
        for validators in (attack.common.validators, attack.common.next_validators)
        for validator in validators.validators
    }
    for block in (first, second):
        if block.header.validators_hash != decided.validators_hash:
            found |= answerable & signing_keys(block)
    return tuple(sorted(found))


def _follow(
    common: LightBlock,
    block: LightBlock,
    height: int,
    policy: TrustPolicy,
    now_ms: int,
    verifier: LightVerifier,
) -> Generator[int, LightBlock, LightBlock]:
    """Lead from the common block to the witness's, whose target block is here already."""
    steps = bisection(common, height, policy, now_ms, verifier)
    try:
        wanted = next(steps)
        while True:
            wanted = steps.send(block if wanted == height else (yield wanted))
    except StopIteration as end:
        trace: tuple[LightBlock, ...] = end.value
        return trace[-1]


def proofs_of_attack(attack: LightClientAttack, sets: Sets) -> tuple[Proof, ...]:
    """Proofs against signers for a set that the height never had, or of both blocks in one round.

    Signatures are not verified here. Two rounds of the real set accuse nobody: certificates alone don't prove who
    forgot its lock. Raises RemoteFault BAD_EVIDENCE when nothing is left to prove, EVIDENCE_OUT_OF_TIME.
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
        low, high = sorted((first, second), key=lambda certificate: certificate.value)
        proofs.append(ConflictingSignatures(low, high))
    if not proofs:
        raise RemoteFault(ConsensusCode.BAD_EVIDENCE, "light client attack", height=height)
    return tuple(proofs)


def _trusted_heights(common: int, height: int) -> tuple[int, ...]:
    """The heights whose sets a light client at `common` relied on: the set that it names as next, then its own."""
    return tuple(at for at in (common + 1, common) if 0 < at <= height)
