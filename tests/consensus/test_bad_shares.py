"""Shares are added unverified: several liars are found by halving, lose their say, and can't make it dear."""

from collections.abc import Sequence
from math import ceil, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.base.certificate import Certificate, VoteKind, signer_indices, vote_digest
from clearing.base.hashing import sha256
from consensus.core.events import (
    CastVote,
    CertificateVerified,
    Effect,
    ProposalReceived,
    SharesRefused,
    StartHeight,
    VerifyShares,
    VoteReceived,
)
from consensus.core.state import HeightState, new_state
from consensus.core.step import step
from consensus.messages import Vote
from consensus.signing import CurveVerifier, assemble_certificate
from consensus.timeouts import Timeouts
from node.signer.local import LocalSigner
from node.signer.sign_state import SignGuard
from tests.kit.consensus.core import V, in_order
from tests.kit.consensus.crypto import FakeVerifier, fake_share, secrets_of, validator_set
from tests.kit.consensus.replicas import NETWORK, certificate

STEP = (VoteKind.PREVOTE, 1, 0, V)


class Counting(FakeVerifier):
    """Counts the checks that cost pairings."""

    def __init__(self) -> None:
        self.checks = 0

    def verify_shares(self, keys: Sequence[bytes], digest: bytes, aggregate: bytes) -> bool:
        self.checks += 1
        return super().verify_shares(keys, digest, aggregate)


def checks_max(shares: int, liars: int) -> int:
    """Of halving: each liar is alone at the end of one path, and each step of a path checks two halves."""
    return 1 + 2 * liars * ceil(log2(shares)) if liars else 1


def fake_shares(nodes: int, liars: set[int]) -> list[tuple[int, bytes]]:
    validators = validator_set(nodes)
    digest = vote_digest(NETWORK, validators.hash, *STEP)
    made = [(index, fake_share(each.bls_key, digest)) for index, each in enumerate(validators.validators)]
    return [(index, sha256(share) * 3 if index in liars else share) for index, share in made]


@given(st.integers(2, 24), st.sets(st.integers(0, 23)))
def test_exactly_the_liars_are_found_and_at_a_bounded_cost(nodes: int, liars: set[int]) -> None:
    liars = {index for index in liars if index < nodes}
    verifier = Counting()
    shares = fake_shares(nodes, liars)
    certificate, bad = assemble_certificate(verifier, NETWORK, validator_set(nodes), STEP, shares)
    assert set(bad) == liars
    assert (certificate is None) is bool(liars)
    assert verifier.checks <= checks_max(nodes, len(liars))


@pytest.mark.parametrize(("nodes", "liars"), [(7, {0, 6}), (16, {0, 7, 8, 9, 15})])
def test_several_liars_are_found_on_the_real_curve(nodes: int, liars: set[int]) -> None:
    validators, shares = validator_set(nodes), []
    for index, (envelope_secret, bls_secret) in enumerate(secrets_of(nodes)):
        signer = LocalSigner(NETWORK, envelope_secret, bls_secret, SignGuard())
        kind, height, round_, value = STEP
        signed = sha256(b"another value") if index in liars else value
        shares.append((index, signer.sign_vote(validators.hash, kind, height, round_, signed)))
    verifier = CurveVerifier()
    nothing, bad = assemble_certificate(verifier, NETWORK, validators, STEP, shares)
    assert nothing is None
    assert set(bad) == liars
    good, none = assemble_certificate(
        verifier, NETWORK, validators, STEP, [each for each in shares if each[0] not in liars]
    )
    assert good is not None
    assert none == ()
    verifier.verify_certificate(good, validators, NETWORK)


class Core:
    """A core whose shares are verified; a liar's never are good."""

    def __init__(self, nodes: int, liars: set[int]) -> None:
        self.state: HeightState = new_state(in_order(1, nodes), validator_set(nodes), None, Timeouts())
        self.liars = liars
        self.verified: list[tuple[int, ...]] = []
        self.certificates: list[Certificate] = []
        self.episodes = 0
        step(self.state, StartHeight())
        step(self.state, ProposalReceived(0, V, -1, valid=True))

    def vote(self, voter: int) -> None:
        self.take(step(self.state, VoteReceived(prevote(voter))))

    def take(self, effects: list[Effect]) -> None:
        for effect in effects:
            assert not isinstance(effect, CastVote)
            if isinstance(effect, VerifyShares):
                voters = tuple(index for index, _ in effect.shares)
                self.verified.append(voters)
                bad = tuple(index for index in voters if index in self.liars)
                if bad:
                    self.episodes += 1
                    self.take(step(self.state, SharesRefused(effect.kind, effect.round, effect.value, bad)))
                else:
                    self.certificates.append(self.certificate(voters))
                    self.take(step(self.state, CertificateVerified(self.certificates[-1])))

    def certificate(self, voters: tuple[int, ...]) -> Certificate:
        return certificate(VoteKind.PREVOTE, 0, V, *voters, validators=self.state.validators)


def prevote(voter: int, round_: int = 0) -> Vote:
    return Vote(kind=VoteKind.PREVOTE, height=1, round=round_, value=V, validator=voter, share=bytes(96))


@pytest.mark.parametrize("nodes", [4, 7, 16])
@given(data=st.data())
def test_liars_lose_their_power_in_the_step_and_the_honest_quorum_stands(nodes: int, data: st.DataObject) -> None:
    """Whatever the order of votes: no certificate counts a liar, and all honest ones together make one."""
    third = (nodes - 1) // 3
    liars = set(data.draw(st.permutations(range(nodes)))[: data.draw(st.integers(0, third))])
    core = Core(nodes, liars)
    for voter in data.draw(st.permutations(range(nodes))):
        core.vote(voter)
        core.vote(voter)
    assert len(core.certificates) == 1
    assert not set(signer_indices(core.certificates[0].signers)) & liars
    assert core.episodes <= len(liars), "each round of halving finds at least one, who is not heard again"
    assert all(sum(index in voters for voters in core.verified) <= 1 for index in liars)


@pytest.mark.parametrize("nodes", [7, 16])
def test_more_liars_than_the_set_bears_make_no_certificate(nodes: int) -> None:
    liars = set(range((nodes - 1) // 3 + 1))
    core = Core(nodes, liars)
    for voter in range(nodes):
        core.vote(voter)
    assert core.certificates == []
    assert core.state.locked_value is None


def test_a_refused_validator_speaks_again_in_the_next_round() -> None:
    core = Core(7, {1})
    for voter in (1, 2, 3, 4, 5):
        core.vote(voter)
    assert core.verified == [(1, 2, 3, 4, 5)]
    assert not core.state.votes.wants(prevote(1))
    assert core.state.votes.wants(prevote(1, round_=1))
