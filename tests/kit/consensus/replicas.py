"""Replicas over the toy, driven by hand, and what any validator of their set could sign."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from clearing.base.certificate import NIL, Certificate, VoteKind, signer_bitmap, vote_digest
from clearing.base.hashing import tagged_hash
from clearing.base.validators import ValidatorSet
from consensus.chain_state import ChainState, chain_at
from consensus.messages import Extension, Message, SignedExtension, Vote, read_envelope, read_message
from consensus.outputs import Broadcast, Output, PeerFault, Send
from consensus.replica.replica import Replica, ReplicaConfig
from consensus.signing import seal
from consensus.timeouts import TimerKind
from node.signer.sign_state import SignGuard
from tests.kit.consensus.crypto import VALIDATORS, FakeSigner, FakeVerifier, fake_share
from tests.kit.consensus.memory_store import MemoryBlockStore
from tests.kit.consensus.toy import ToyApplication

NETWORK = tagged_hash("crossclear/simulation/network")
GENESIS_MS = 1_700_000_000_000


@dataclass
class HandClock:
    """Stands still until a test moves it."""

    now: int = 0

    def wall_ms(self) -> int:
        return GENESIS_MS + self.now

    def steady_ms(self) -> int:
        return self.now


def genesis_chain(application: ToyApplication) -> ChainState:
    return chain_at(NETWORK, GENESIS_MS, application.position, None)


def signer_of(voter: int, validators: ValidatorSet = VALIDATORS) -> FakeSigner:
    """Signs whatever it is asked: a liar's."""
    return FakeSigner(NETWORK, validators.validators[voter], None)


def new_replica(
    own: int = 0,
    *,
    validators: ValidatorSet = VALIDATORS,
    work: bool = True,
    recorded: Sequence[Any] = (),
    **parts: Any,
) -> Replica:
    """Not started. Parts that may be given by name: application, chain, store, signer, clock."""
    application = parts.get("application") or ToyApplication(validators, own)
    return Replica(
        parts.get("chain") or genesis_chain(application),
        application,
        parts.get("store") or MemoryBlockStore(),
        parts.get("signer") or FakeSigner(NETWORK, validators.validators[own], SignGuard()),
        FakeVerifier(),
        parts.get("clock") or HandClock(),
        ReplicaConfig(),
        lambda: work,
        recorded,
    )


def make_replica(own: int = 0, *, started: bool = True, **parts: Any) -> Replica:
    """One that runs, in its first height if `started`."""
    replica = new_replica(own, **parts)
    replica.start()
    if started:
        replica.on_timer(TimerKind.HEARTBEAT, 1, 0)
    return replica


def pass_time(replica: Replica, milliseconds: int) -> None:
    assert isinstance(replica.clock, HandClock)
    replica.clock.now += milliseconds


def vote(
    voter: int,
    kind: VoteKind,
    round_: int,
    value: bytes,
    height: int = 1,
    share: bytes = b"",
    validators: ValidatorSet = VALIDATORS,
) -> Vote:
    """A good vote, its extension included, but for a share that is given."""
    signer, extension = signer_of(voter, validators), None
    if kind is VoteKind.PRECOMMIT and value != NIL:
        empty = Extension(time_ms=GENESIS_MS, data=b"")
        signature = signer.sign_extension(validators.hash, height, round_, value, empty)
        extension = SignedExtension(validator=voter, extension=empty, signature=signature)
    return Vote(
        kind=kind,
        height=height,
        round=round_,
        value=value,
        validator=voter,
        share=share or signer.sign_vote(validators.hash, kind, height, round_, value),
        extension=extension,
    )


def certificate(
    kind: VoteKind, round_: int, value: bytes, *signers: int, height: int = 1, validators: ValidatorSet = VALIDATORS
) -> Certificate:
    """What these validators signed, summed: a quorum's certificate or less."""
    digest = vote_digest(NETWORK, validators.hash, kind, height, round_, value)
    shares = [fake_share(validators.validators[index].bls_key, digest) for index in signers]
    return Certificate(
        kind=kind,
        height=height,
        round=round_,
        value=value,
        validators_hash=validators.hash,
        signers=signer_bitmap(signers),
        aggregate=FakeVerifier().aggregate(shares),
    )


def sealed(sender: int, message: Message, validators: ValidatorSet = VALIDATORS) -> bytes:
    return seal(signer_of(sender, validators), message)


def receive(replica: Replica, sender: int, *messages: Message, validators: ValidatorSet = VALIDATORS) -> list[Output]:
    """What a replica makes of messages that one of its set signed and sent."""
    key = validators.validators[sender].envelope_key
    return [output for message in messages for output in replica.receive(key, sealed(sender, message, validators))]


def faults(outputs: Iterable[Output]) -> list[str]:
    return [output.fault.code.name for output in outputs if isinstance(output, PeerFault)]


def messages_of(outputs: Iterable[Output]) -> list[Message]:
    """What leaves, for any receiver."""
    return [read_message(read_envelope(output.data)) for output in outputs if isinstance(output, Broadcast | Send)]
