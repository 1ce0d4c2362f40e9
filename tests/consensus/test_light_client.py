"""The light client: Tendermint's own cases, and that only a quorum with enough of the trusted power convinces."""

import json
import tarfile
from collections.abc import Callable, Generator, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.base import bls
from clearing.base.certificate import VoteKind, signer_bitmap, verify_certificate, vote_digest
from clearing.base.codec import decode, encode
from clearing.base.errors import CrossclearError, LocalFault, RemoteFault
from clearing.base.hashing import sha256
from clearing.base.header import Header
from clearing.base.validators import ValidatorSet
from consensus.codes import ConsensusCode
from consensus.evidence.attack import LightClientAttack, accused, check_attack, conflict, cross_check
from consensus.light_client import (
    CurveLightVerifier,
    LightBlock,
    TrustDecision,
    TrustPolicy,
    bisection,
    check_anchor,
    verify,
)
from tests.kit.certificates import make_certificate
from tests.kit.consensus.crypto import FakeVerifier, secrets_of, validator_set
from tests.kit.consensus.replicas import NETWORK, certificate
from tests.kit.headers import make_header
from tests.kit.refusals import refused
from tests.kit.validator_records import made_validator
from tests.sim.consensus.tendermint import Chain, Json, time_ns

Result = TypeVar("Result")
change = msgspec.structs.replace
ENDS = {
    "_happy_path.json": "accepted",
    "_worst_case.json": "accepted",
    "not_enough_commits.json": "UNDER_QUORUM",
    "header_out_of_trusting_period.json": "TRUST_EXPIRED",
    "conflicting_headers.json": "attack",
    "conflicting_valid_commits_from_one_of_the_witnesses.json": "attack",
    "conflicting_valid_commits_from_the_only_witness.json": "attack",
    "malicious_validator_set.json": "attack",
}
CONTRADICTORY = "_worst_case.json"
"""Height 4 names another hash of the next set than height 5 of that set, and half of the signatures don't verify."""


@pytest.fixture(scope="module")
def cases(vectors_dir: Path) -> dict[str, Json]:
    """File name to case."""
    found = {}
    with tarfile.open(vectors_dir / "light-client" / "tendermint-rs.tgz") as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is not None and member.name.endswith(".json"):
                found[member.name] = json.load(file)
    return found


def answer(steps: Generator[int, LightBlock, Result], fetch: Callable[[int], LightBlock]) -> Result:
    """Run a generator that asks for blocks."""
    try:
        wanted = next(steps)
        while True:
            wanted = steps.send(fetch(wanted))
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


def single_steps(case: Json) -> list[tuple[str, str]]:
    """(verdict stated, verdict found) of each input, the trusted block advancing with each success."""
    chain, verdicts = Chain(), []
    trusted = chain.block(case["initial"])
    policy = TrustPolicy(int(case["initial"]["trusting_period"]) // 1_000_000, clock_drift_ms=1000)
    for given_ in case["input"]:
        block = chain.block(given_["block"], trusted)
        try:
            trust = verify(trusted, block, policy, time_ns(given_["now"]) // 1_000_000, chain)
        except CrossclearError:
            verdicts.append((given_["verdict"], "INVALID"))
            continue
        verdicts.append((given_["verdict"], "SUCCESS" if trust is TrustDecision.TRUSTED else "NOT_ENOUGH_TRUST"))
        if trust is TrustDecision.TRUSTED:
            trusted = block
    return verdicts


def bisected(case: Json, *, abstract: bool = False) -> str:
    """How it ends: accepted, why the primary's blocks were refused, or what the witnesses showed."""
    options, now = case["trust_options"], time_ns(case["now"]) // 1_000_000
    level = options["trust_level"]
    policy = TrustPolicy(
        int(options["period"]) // 1_000_000, 10_000, int(level["numerator"]), int(level["denominator"])
    )
    chain = Chain(abstract=abstract)
    primary = [chain.block(found) for found in case["primary"]["lite_blocks"]]
    trusted = primary[int(options["height"]) - 1]
    assert trusted.header.payload_root == sha256(options["hash"].encode())
    check_anchor(trusted, trusted.header.hash, chain)
    try:
        steps = bisection(trusted, int(case["height_to_verify"]), policy, now, chain)
        trace = answer(steps, lambda height: primary[height - 1])
    except CrossclearError as fault:
        return fault.code.name
    for witness in case["witnesses"]:
        shown = [chain.block(found) for found in witness["value"]["lite_blocks"]]
        if answer(cross_check(trace, policy, now, chain), lambda height, shown=shown: shown[height - 1]):  # type: ignore[misc]
            return "attack"
    return "accepted"


def test_every_case_of_tendermint_gets_its_stated_verdict(cases: dict[str, Json]) -> None:
    assert len(cases) == 49
    steps = 0
    for name, case in sorted(cases.items()):
        if "initial" in case:
            found = single_steps(case)
            steps += len(found)
            assert [stated for stated, _ in found] == [verdict for _, verdict in found], name
        else:
            file = name.rsplit("/", 1)[1]
            ended = bisected(case, abstract=file == CONTRADICTORY)
            assert ("no error" if ended == "accepted" else "error") == case["expected_output"], name
            assert ended == ENDS[file]
    assert steps > 90


PEOPLE = validator_set(7).validators
POLICY = TrustPolicy(trusting_period_ms=1_000_000)
NOW = 500_000


class Oracle(FakeVerifier):
    """Hashes in place of curves."""

    def check_set(self, validators: ValidatorSet) -> None:
        """These keys sign one by one."""


ORACLE = Oracle()


def set_of(members: Iterable[int]) -> ValidatorSet:
    return ValidatorSet(validators=tuple(PEOPLE[index] for index in sorted(members)))


def signed(header: Header, validators: ValidatorSet, after: ValidatorSet, by: Iterable[int]) -> LightBlock:
    """`by` are indices in the set."""
    value, height = header.hash, header.height
    final = certificate(VoteKind.PRECOMMIT, 0, value, *sorted(by), height=height, validators=validators)
    return LightBlock(header=header, certificate=final, validators=validators, next_validators=after)


def header_of(height: int, parent: bytes, validators: ValidatorSet, after: ValidatorSet, mark: bytes = b"") -> Header:
    return make_header(height, validators, after, mark, network=NETWORK, parent=parent)


def chain_of(members: Sequence[Iterable[int]], mark: bytes = b"") -> list[LightBlock]:
    """Height h has the set members[h - 1]; all sign."""
    sets, parent, blocks = [set_of(chosen) for chosen in members], NETWORK, []
    for height, validators in enumerate(sets, 1):
        after = sets[min(height, len(sets) - 1)]
        header = header_of(height, parent, validators, after, mark)
        blocks.append(signed(header, validators, after, range(len(validators.validators))))
        parent = header.hash
    return blocks


def followed(honest: list[LightBlock]) -> list[LightBlock]:
    """The trace of a light client that came to the last of these blocks."""
    return answer(bisection(honest[0], len(honest), POLICY, NOW, ORACLE), lambda height: honest[height - 1])


def crossed(trace: list[LightBlock], shown: Callable[[int], LightBlock]) -> LightClientAttack | None:
    """What a witness shows in place of it."""
    return answer(cross_check(trace, POLICY, NOW, ORACLE), shown)


MEMBERS = st.sets(st.integers(0, 6), min_size=1)


@given(st.lists(MEMBERS, min_size=2, max_size=24))
def test_an_honest_chain_is_followed_whatever_its_sets_do(members: list[set[int]]) -> None:
    blocks, asked = chain_of(members), []

    def fetch(height: int) -> LightBlock:
        asked.append(height)
        return blocks[height - 1]

    trace = answer(bisection(blocks[0], len(blocks), POLICY, NOW, ORACLE), fetch)
    assert trace[0] == blocks[0]
    assert trace[-1] == blocks[-1]
    assert len(asked) == len(set(asked))
    for low, high in pairwise(trace):
        assert verify(low, high, POLICY, NOW, ORACLE) is TrustDecision.TRUSTED
    assert crossed(trace, lambda height: blocks[height - 1]) is None


@given(MEMBERS, MEMBERS, st.data())
def test_a_skip_takes_a_quorum_of_the_own_set_and_enough_of_the_trusted(
    before: set[int], later: set[int], data: st.DataObject
) -> None:
    signers = data.draw(st.sets(st.sampled_from(sorted(later))))
    trusted = chain_of([before, before])[0]
    validators = set_of(later)
    by = [sorted(later).index(person) for person in signers]
    block = signed(header_of(9, b"p" * 32, validators, validators), validators, validators, by)
    enough, quorum = 3 * len(signers & before) > len(before), 3 * len(signers) > 2 * len(later)
    try:
        found = verify(trusted, block, POLICY, NOW, ORACLE)
    except RemoteFault as fault:
        assert fault.code.name == "UNDER_QUORUM"
        assert enough
        assert not quorum
    else:
        assert (found is TrustDecision.TRUSTED) == (enough and quorum)


GOOD = chain_of([range(4), range(4), range(1, 5)])
OTHER = set_of(range(3, 7))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"network": bytes(32)}, "WRONG_NETWORK"),
        ({"time_ms": GOOD[0].header.time_ms}, "NOT_LATER"),
        ({"height": 1}, "NOT_LATER"),
        ({"time_ms": NOW + POLICY.clock_drift_ms}, "FROM_THE_FUTURE"),
        ({"parent": bytes(32)}, "BROKEN_LINK"),
        ({"validators_hash": OTHER.hash}, "WRONG_VALIDATOR_SET"),
        ({"next_validators_hash": OTHER.hash}, "WRONG_VALIDATOR_SET"),
    ],
)
def test_a_header_that_breaks_one_rule_is_refused_by_its_name(changes: dict[str, Any], code: str) -> None:
    """Although all sign it."""
    header = change(GOOD[1].header, **changes)
    with pytest.raises(RemoteFault) as caught:
        verify(GOOD[0], signed(header, GOOD[1].validators, GOOD[1].next_validators, range(4)), POLICY, NOW, ORACLE)
    assert caught.value.code.name == code


def test_the_next_height_must_be_signed_by_the_set_that_was_announced() -> None:
    header = header_of(2, GOOD[0].header.hash, OTHER, OTHER)
    with refused(ConsensusCode.BROKEN_LINK) as caught:
        verify(GOOD[0], signed(header, OTHER, OTHER, range(4)), POLICY, NOW, ORACLE)
    assert caught.value.at == "validators_hash"


@pytest.mark.parametrize(
    "changes",
    [{"kind": VoteKind.PREVOTE}, {"value": bytes(32)}, {"height": 3}, {"validators_hash": bytes(32)}],
    ids=str,
)
def test_a_certificate_of_something_else_certifies_nothing(changes: dict[str, Any]) -> None:
    other = change(GOOD[1].certificate, **changes)
    with pytest.raises(RemoteFault):
        verify(GOOD[0], change(GOOD[1], certificate=other), POLICY, NOW, ORACLE)


def test_an_expired_header_vouches_for_nothing() -> None:
    with pytest.raises(LocalFault) as expired:
        verify(GOOD[0], GOOD[1], POLICY, GOOD[0].header.time_ms + POLICY.trusting_period_ms, ORACLE)
    assert expired.value.code.name == "TRUST_EXPIRED"


@pytest.mark.parametrize("level", [(1, 4), (4, 3), (0, 1), (-1, -3), (1, 0)])
def test_a_level_that_liars_alone_could_reach_is_refused(level: tuple[int, int]) -> None:
    with pytest.raises(LocalFault):
        TrustPolicy(1000, 0, *level)


def test_two_final_headers_of_one_round_accuse_who_signed_both() -> None:
    honest, false = chain_of([range(4)] * 6), chain_of([range(4)] * 6, b"false")
    shown = [*honest[:3], *false[3:]]
    shown[5] = signed(false[5].header, false[5].validators, false[5].next_validators, (0, 1, 3))
    attack = crossed(followed(honest), lambda height: shown[height - 1])
    assert attack is not None
    assert decode(encode(attack), LightClientAttack) == attack
    check_attack(attack, ORACLE)
    assert accused(attack, honest[5].header) == tuple(sorted(PEOPLE[index].bls_key for index in (0, 1, 3)))
    assert {attack.first.header.hash, attack.second.header.hash} == {honest[5].header.hash, shown[5].header.hash}


def test_a_set_made_up_accuses_the_trusted_ones_who_signed_for_it() -> None:
    honest = chain_of([range(4)] * 6)
    made_up = set_of([2, 3, 5, 6])
    false = signed(header_of(6, b"p" * 32, made_up, made_up), made_up, made_up, range(4))
    attack = crossed(followed(honest), lambda _: false)
    assert attack is not None
    check_attack(attack, ORACLE)
    assert accused(attack, honest[5].header) == tuple(sorted(PEOPLE[index].bls_key for index in (2, 3)))


def test_who_signed_for_the_real_set_in_another_round_is_accused_by_no_lunatic_block() -> None:
    """A third faulty can have two blocks of one height decided in two rounds: who had no lock signed the second one
    honestly. The chain has one of them, and a block of a set made up is shown beside the other."""
    honest, made_up = chain_of([range(4)] * 6), set_of([2, 3, 5, 6])
    real, following = honest[5].validators, honest[5].next_validators
    lunatic = signed(header_of(6, b"p" * 32, made_up, made_up), made_up, made_up, range(4))
    amnesia = signed(header_of(6, b"q" * 32, real, following), real, following, (0, 1, 2))
    attack = conflict(honest[0], lunatic, amnesia)
    check_attack(attack, ORACLE)
    assert accused(attack, honest[5].header) == tuple(sorted(PEOPLE[index].bls_key for index in (2, 3)))


def test_two_blocks_of_one_made_up_set_accuse_all_who_signed_both() -> None:
    honest, made_up = chain_of([range(4)] * 6), set_of([2, 3, 5, 6])
    blocks = [
        signed(header_of(6, parent * 32, made_up, made_up), made_up, made_up, range(4)) for parent in (b"p", b"q")
    ]
    attack = conflict(honest[0], *blocks)
    assert accused(attack, honest[5].header) == tuple(sorted(PEOPLE[index].bls_key for index in (2, 3, 5, 6)))


def test_a_witness_that_cannot_show_its_header_is_a_liar() -> None:
    honest = chain_of([range(4)] * 3)
    false = signed(header_of(3, b"p" * 32, OTHER, OTHER), OTHER, OTHER, (1, 2, 3))
    trace = followed(honest)
    with pytest.raises(RemoteFault):
        crossed(trace, lambda height: false if height == 3 else honest[1])


def test_evidence_of_an_attack_is_checked_in_full() -> None:
    honest, false = chain_of([range(4)] * 4), chain_of([range(4)] * 4, b"false")
    attack = conflict(honest[0], honest[3], false[3])
    check_attack(attack, ORACLE)
    forged = signed(false[3].header, false[3].validators, false[3].next_validators, (0, 1))
    for bad in (
        change(attack, first=attack.second, second=attack.first),
        change(attack, second=attack.first),
        change(attack, common=attack.first),
        conflict(honest[0], honest[3], forged),
    ):
        with pytest.raises(RemoteFault):
            check_attack(bad, ORACLE)


def test_a_key_chosen_to_cancel_the_others_does_not_sign_in_their_names() -> None:
    """On the curve: rogue = own - sum of the honest, so that the own signature verifies under the sum of all keys."""
    honest = set_of(range(4))
    secret = bls.secret_from_seed(b"rogue" * 8)
    total = bls.decode_key(bls.public_key(secret))
    for validator in honest.validators:
        total = total - bls.decode_key(validator.bls_key)
    rogue = change(made_validator(b"\xff" * 32, secret, 10), bls_key=total.to_compressed_bytes())
    made_up = ValidatorSet(validators=(*honest.validators, rogue))
    header = header_of(9, b"p" * 32, made_up, made_up)
    digest = vote_digest(NETWORK, made_up.hash, VoteKind.PRECOMMIT, 9, 0, header.hash)
    certificate = make_certificate(VoteKind.PRECOMMIT, 9, 0, header.hash, made_up, {0: bls.sign(secret, digest)})
    certificate = change(certificate, signers=signer_bitmap(range(5)))
    verify_certificate(certificate, made_up, NETWORK)  # the sum alone does verify
    block = LightBlock(header=header, certificate=certificate, validators=made_up, next_validators=made_up)
    trusted = chain_of([range(4)] * 2)[0]
    with pytest.raises(RemoteFault) as caught:
        verify(trusted, block, POLICY, NOW, CurveLightVerifier())
    assert caught.value.code.name == "BAD_POSSESSION_PROOF"


def test_on_the_curve_a_real_certificate_convinces() -> None:
    validators = set_of(range(4))
    first = header_of(1, NETWORK, validators, validators)
    later = header_of(5, b"p" * 32, validators, validators)
    secrets = [secret for _, secret in secrets_of(7)]

    def final(header: Header) -> LightBlock:
        digest = vote_digest(NETWORK, validators.hash, VoteKind.PRECOMMIT, header.height, 0, header.hash)
        shares = {index: bls.sign(secrets[index], digest) for index in (0, 2, 3)}
        made = make_certificate(VoteKind.PRECOMMIT, header.height, 0, header.hash, validators, shares)
        return LightBlock(header=header, certificate=made, validators=validators, next_validators=validators)

    check_anchor(final(first), first.hash, CurveLightVerifier())
    with pytest.raises(RemoteFault):
        check_anchor(final(first), later.hash, CurveLightVerifier())
    assert verify(final(first), final(later), POLICY, NOW, CurveLightVerifier()) is TrustDecision.TRUSTED
