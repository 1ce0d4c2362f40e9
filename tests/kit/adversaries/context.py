"""`Adversary`: a Byzantine validator as a filter between an honest replica and its network, disk and clock.

Rule: nothing here knows who drives it: the simulator and the wrapped process of a testnet use the same classes. An
adversary has its own keys and whatever its replica knows, never another's secrets. A driver calls `disguise` on every
list of outputs, `overhear` on every message before its replica gets it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import msgspec

from clearing.base.certificate import NIL, VoteKind
from clearing.base.errors import RemoteFault
from clearing.base.validators import ValidatorSet
from consensus.messages import Extension, Message, SignedExtension, Vote, read_envelope, read_message
from consensus.outputs import Broadcast, Lane, Output, Send
from consensus.replica.replica import Replica
from consensus.signing import Signer, seal


def leave(payload: bytes, _: Random) -> bytes:
    """For an application whose payloads can't be varied without knowing it."""
    return payload


@dataclass(frozen=True)
class AdversaryContext:
    """What an adversary has."""

    network: bytes
    """Network id."""
    signer: Signer
    """Its own keys, unguarded (`NoGuard`)."""
    random: Random
    replica: Callable[[], Replica | None]
    """The honest replica behind it; None while the node is down."""
    vary: Callable[[bytes, Random], bytes] = leave
    """Another payload that the application executes as well, for a second block of one height."""


class Adversary:
    """Base: changes nothing. Subclasses say what they do to outputs."""

    def __init__(self, context: AdversaryContext) -> None:
        self.context = context
        self.random = context.random
        self.signer = context.signer

    def outgoing(self, output: Output) -> list[Output] | None:
        """What is performed in place of one output; None leaves it as it is."""
        return None

    def incoming(self, peer: bytes, data: bytes) -> list[Output]:
        """A message came for the replica, which will get it; what to perform before that."""
        return []

    def due(self) -> list[Output]:
        """What it wants performed now, whatever its replica does."""
        return []

    def validators_at(self, height: int) -> ValidatorSet | None:
        """The set that certifies a height, if its replica knows it."""
        replica = self.context.replica()
        if replica is None:
            return None
        chain = replica.chain
        known = (chain.last_validators, chain.validators, chain.next_validators)
        return known[height - chain.height] if 0 <= height - chain.height < len(known) else None

    def peers(self) -> list[bytes]:
        """Envelope keys of the other validators."""
        replica = self.context.replica()
        if replica is None:
            return []
        own = self.signer.envelope_key
        return [each.envelope_key for each in replica.chain.validators.validators if each.envelope_key != own]

    def own_message(self, output: Output) -> Message | None:
        """What an output would say in the own name; None also for what is passed on of others."""
        if not isinstance(output, Broadcast | Send) or sender_of(output.data) != self.signer.envelope_key:
            return None
        return read_any(output.data)

    def to(self, peer: bytes, lane: Lane, message: Message) -> Output:
        return Send(peer, lane, seal(self.signer, message))

    def to_all(self, lane: Lane, message: Message) -> Output:
        return Broadcast(lane, seal(self.signer, message))

    def instead(self, output: Output, message: Message | None) -> list[Output] | None:
        """Another message of the own in place of an output; without one the output stays."""
        return None if message is None else [like(output, seal(self.signer, message))]

    def revote(self, like: Vote, value: bytes, **fields: object) -> Vote | None:
        """The own vote for another value (or with other fields), well signed; None where it has no vote."""
        validators = self.validators_at(like.height)
        own = None if validators is None else validators.index_of.get(self.signer.envelope_key)
        if validators is None or own is None:
            return None
        extension = None
        if like.kind is VoteKind.PRECOMMIT and value != NIL:
            stated = like.extension.extension if like.extension is not None else Extension(time_ms=0, data=b"")
            signature = self.signer.sign_extension(validators.hash, like.height, like.round, value, stated)
            extension = SignedExtension(validator=own, extension=stated, signature=signature)
        share = self.signer.sign_vote(validators.hash, like.kind, like.height, like.round, value)
        vote = Vote(
            kind=like.kind,
            height=like.height,
            round=like.round,
            value=value,
            validator=own,
            share=share,
            extension=extension,
        )
        return msgspec.structs.replace(vote, **fields)


def message_of(output: Output) -> Message | None:
    """What an output would send."""
    if isinstance(output, Broadcast | Send):
        return read_any(output.data)
    return None


def read_any(data: bytes) -> Message | None:
    """A message from bytes; None when they hold none."""
    try:
        return read_message(read_envelope(data))
    except RemoteFault:
        return None


def sender_of(data: bytes) -> bytes:
    """Whose envelope it is; nobody's when it is none."""
    try:
        return read_envelope(data).sender
    except RemoteFault:
        return b""


def like(output: Output, data: bytes) -> Output:
    """Other bytes to the same receivers."""
    if isinstance(output, Broadcast):
        return Broadcast(output.lane, data)
    if isinstance(output, Send):
        return Send(output.to, output.lane, data)
    return output


def disguise(adversary: Adversary, outputs: Sequence[Output]) -> list[Output]:
    """What a driver performs instead of what the replica asked for."""
    performed = adversary.due()
    for output in outputs:
        instead = adversary.outgoing(output)
        performed.extend([output] if instead is None else instead)
    return performed


def overhear(adversary: Adversary, peer: bytes, data: bytes) -> list[Output]:
    """What a driver performs before it gives a message to the replica."""
    return adversary.incoming(peer, data)
