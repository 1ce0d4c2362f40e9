"""Adversaries that make up what others should have said."""

from collections import deque

import msgspec

from clearing.base.certificate import Certificate, VoteKind, signer_bitmap
from clearing.base.codec import encode
from clearing.base.hashing import tagged_hash
from consensus.messages import (
    BlockResponse,
    CertificateMessage,
    CommittedBlock,
    Envelope,
    Proposal,
    Status,
    Vote,
    kind_of,
)
from consensus.outputs import Lane, Output, Send
from tests.kit.adversaries.blocks import broken_block, proposal_of
from tests.kit.adversaries.context import Adversary, AdversaryContext, read_any

KEPT = 32


class Forger(Adversary):
    """Makes up certificates, heights, blocks of the past, and blocks whose roots are wrong."""

    def outgoing(self, output: Output) -> list[Output] | None:
        message = self.own_message(output)
        if isinstance(message, Vote):
            return [*self._certificates(message), output]
        if isinstance(message, Proposal) and self.random.randrange(2):
            return self.instead(output, proposal_of(self, message, broken_block(message.block)))
        if isinstance(message, Status):
            return self.instead(output, Status(height=message.height + self.random.choice((0, 1, 50, 2**40))))
        if isinstance(message, BlockResponse) and isinstance(output, Send):
            return [self.to(output.to, output.lane, self._blocks(message))]
        return None

    def _certificates(self, vote: Vote) -> list[Output]:
        forged = []
        for kind in VoteKind:
            value = self.random.choice((vote.value, tagged_hash("forged", vote.value)))
            certificate = self._certificate(kind, vote.height, vote.round + self.random.randrange(3), value)
            if certificate is not None:
                forged.append(self.to_all(Lane.CONSENSUS, CertificateMessage(certificate=certificate)))
        return forged

    def _blocks(self, message: BlockResponse) -> BlockResponse:
        blocks = []
        for committed in message.blocks:
            header = committed.block.header
            certificate = self._certificate(VoteKind.PRECOMMIT, header.height, 0, header.hash)
            block = committed.block if self.random.randrange(2) else broken_block(committed.block)
            certificate = certificate or committed.certificate
            blocks.append(CommittedBlock(block=block, certificate=certificate, extensions=committed.extensions))
        return BlockResponse(blocks=tuple(blocks))

    def _certificate(self, kind: VoteKind, height: int, round_: int, value: bytes) -> Certificate | None:
        """Of a quorum that never voted; its sum is garbage, or the own share alone."""
        validators = self.validators_at(height)
        if validators is None:
            return None
        count = len(validators.validators)
        aggregate = self.random.randbytes(96)
        if self.random.randrange(2):
            aggregate = self.signer.sign_vote(validators.hash, kind, height, round_, value)
        return Certificate(
            kind=kind,
            height=height,
            round=round_,
            value=value,
            validators_hash=validators.hash,
            signers=signer_bitmap(self.random.sample(range(count), self.random.randint(2, count))),
            aggregate=aggregate,
        )


class Impersonator(Adversary):
    """Speaks in others' names: their index in its votes, their key on its envelopes, their old words from its mouth."""

    def __init__(self, context: AdversaryContext) -> None:
        super().__init__(context)
        self._heard: deque[bytes] = deque(maxlen=KEPT)

    def incoming(self, peer: bytes, data: bytes) -> list[Output]:
        self._heard.append(data)
        return []

    def outgoing(self, output: Output) -> list[Output] | None:
        message = self.own_message(output)
        out = [output]
        if isinstance(message, Vote):
            out += self._as_others(message)
        if isinstance(message, Proposal):
            turn = msgspec.structs.replace(message, round=message.round + 1, pol_round=-1, certificate=None)
            out.append(self.to_all(Lane.DATA, turn))
        if isinstance(message, Vote | Status) and self._heard:
            out += self._again(self.random.choice(self._heard))
        return out

    def _as_others(self, vote: Vote) -> list[Output]:
        peers = self.peers()
        validators = self.validators_at(vote.height)
        if not peers or validators is None:
            return []
        victim = self.random.choice(peers)
        index = validators.index_of.get(victim)
        if index is None:
            return []
        extension = vote.extension
        if extension is not None:
            extension = msgspec.structs.replace(extension, validator=index)
        named = msgspec.structs.replace(vote, validator=index, extension=extension)
        body = encode(named)
        kind = kind_of(named)
        signature = self.signer.sign_envelope(kind, body)
        worn = encode(Envelope(sender=victim, kind=kind, body=body, signature=signature))
        return [self.to_all(Lane.CONSENSUS, named), Send(self.random.choice(peers), Lane.CONSENSUS, worn)]

    def _again(self, data: bytes) -> list[Output]:
        """Another's envelope as it came, and its content in an own envelope."""
        message = read_any(data)
        if message is None or not self.peers():
            return []
        peer = self.random.choice(self.peers())
        return [Send(peer, Lane.CONSENSUS, data), self.to(peer, Lane.CONSENSUS, message)]
