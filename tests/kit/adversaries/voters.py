"""Adversaries that lie in their votes."""

import msgspec

from clearing.base.certificate import NIL
from consensus.core.state import Step
from consensus.messages import Extension, Proposal, Vote
from consensus.outputs import Lane, Output, Send
from consensus.signing import seal
from tests.kit.adversaries.blocks import broken_block, other_block, proposal_of
from tests.kit.adversaries.context import Adversary, AdversaryContext, like

AWAKE_MS_MAX = 4000
MADE_UP = b"\xaa" * 32


class Values:
    """Values seen at the running height, to choose lies from."""

    def __init__(self) -> None:
        self._height = -1
        self._values: list[bytes] = [NIL]

    def at(self, height: int) -> list[bytes]:
        if height != self._height:
            self._height, self._values = height, [NIL]
        return self._values

    def note(self, height: int, value: bytes) -> None:
        if value not in self.at(height):
            self._values.append(value)


class DoubleVoter(Adversary):
    """Casts its vote, and a second one for another value right behind it, to everybody."""

    def __init__(self, context: AdversaryContext) -> None:
        super().__init__(context)
        self.values = Values()

    def outgoing(self, output: Output) -> list[Output] | None:
        message = self.own_message(output)
        if isinstance(message, Proposal):
            self.values.note(message.height, message.block.header.hash)
        if not isinstance(message, Vote):
            return None
        self.values.note(message.height, message.value)
        others = [value for value in (*self.values.at(message.height), MADE_UP) if value != message.value]
        second = self.revote(message, self.random.choice(others))
        if second is None:
            return None
        both = [output, like(output, seal(self.signer, second))]
        self.random.shuffle(both)
        return both


class Nuller(Adversary):
    """Votes nil, always."""

    def outgoing(self, output: Output) -> list[Output] | None:
        message = self.own_message(output)
        if not isinstance(message, Vote):
            return None
        return self.instead(output, self.revote(message, NIL))


class BadShare(Adversary):
    """Good envelopes around shares that don't verify: a share of another value, or no share at all."""

    def outgoing(self, output: Output) -> list[Output] | None:
        message = self.own_message(output)
        validators = None if not isinstance(message, Vote) else self.validators_at(message.height)
        if not isinstance(message, Vote) or validators is None:
            return None
        share = self.random.randbytes(96)
        if self.random.randrange(2):
            share = self.signer.sign_vote(validators.hash, message.kind, message.height, message.round, MADE_UP)
        return self.instead(output, self.revote(message, message.value, share=share))


class Amnesiac(Adversary):
    """Forgets its locks and valid values: votes once a step, for whatever is proposed, and proposes afresh."""

    def incoming(self, peer: bytes, data: bytes) -> list[Output]:
        self._forget()
        return []

    def due(self) -> list[Output]:
        self._forget()
        return []

    def _forget(self) -> None:
        replica = self.context.replica()
        if replica is None or replica.run.state.step is Step.DECIDED:
            return
        state = replica.run.state
        state.locked_value, state.locked_round = None, -1
        state.valid_value, state.valid_round, state.valid_certificate = None, -1, None


class ClockSkewed(Adversary):
    """Tells times of hours and years away in its extensions."""

    def outgoing(self, output: Output) -> list[Output] | None:
        message = self.own_message(output)
        validators = None if not isinstance(message, Vote) else self.validators_at(message.height)
        if not isinstance(message, Vote) or message.extension is None or validators is None:
            return None
        stated = message.extension.extension
        time_ms = self.random.choice((0, stated.time_ms - 3_600_000, stated.time_ms + 3_600_000, 2**62))
        skewed = msgspec.structs.replace(
            message.extension, extension=Extension(time_ms=max(0, time_ms), data=stated.data)
        )
        return self.instead(output, self.revote(msgspec.structs.replace(message, extension=skewed), message.value))


class Equivocator(Adversary):
    """Tells each peer one of several values: in its votes, and in its proposals when it is its turn."""

    def __init__(self, context: AdversaryContext) -> None:
        super().__init__(context)
        self.values = Values()

    def outgoing(self, output: Output) -> list[Output] | None:
        message = self.own_message(output)
        if isinstance(message, Vote):
            self.values.note(message.height, message.value)
            return self._vote(message)
        if isinstance(message, Proposal):
            self.values.note(message.height, message.block.header.hash)
            return self._propose(message)
        return None

    def _vote(self, sent: Vote) -> list[Output] | None:
        known = self.values.at(sent.height)
        votes = [vote for vote in (self.revote(sent, value) for value in known) if vote is not None]
        if not votes:
            return None
        sealed = [seal(self.signer, vote) for vote in votes]
        return [Send(peer, Lane.CONSENSUS, self.random.choice(sealed)) for peer in self.peers()]

    def _propose(self, first: Proposal) -> list[Output] | None:
        replica = self.context.replica()
        if replica is None or replica.run.height != first.height:
            return None
        block = other_block(self.context, replica, first.block.evidence)
        if block is None or block.header.hash == first.block.header.hash:
            block = broken_block(first.block)
        self.values.note(first.height, block.header.hash)
        second = proposal_of(self, first, block)
        if second is None:
            return None
        out: list[Output] = []
        one, two = seal(self.signer, first), seal(self.signer, second)
        for peer in self.peers():
            shown = self.random.choice(((one,), (two,), (one, two), (two, one)))
            out += [Send(peer, Lane.DATA, data) for data in shown]
        return out


class Sleeper(Adversary):
    """Votes for some seconds, as it should or for several values, and then nil: what it helped to lock stays locked."""

    def __init__(self, context: AdversaryContext) -> None:
        super().__init__(context)
        self.awake = self.random.choice((Adversary, Equivocator, DoubleVoter))(context)
        self.asleep = Nuller(context)
        self.until_ms = -1

    def outgoing(self, output: Output) -> list[Output] | None:
        replica = self.context.replica()
        if replica is None:
            return None
        now = replica.clock.steady_ms()
        if self.until_ms < 0:
            self.until_ms = now + self.random.randrange(AWAKE_MS_MAX)
        return (self.awake if now < self.until_ms else self.asleep).outgoing(output)
