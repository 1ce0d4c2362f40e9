"""Byzantine validators: an honest replica whose messages are replaced on their way out."""

from typing import TYPE_CHECKING, Protocol

from clearing.base.certificate import NIL, Certificate, VoteKind, signer_bitmap, vote_digest
from clearing.base.hashing import tagged_hash
from consensus.messages import (
    BlockResponse,
    CertificateMessage,
    CommittedBlock,
    Extension,
    Message,
    Proposal,
    SignedExtension,
    Status,
    Vote,
    extension_digest,
    proposal_digest,
    read_envelope,
    read_message,
)
from consensus.outputs import Broadcast, Lane, Output, Send
from consensus.own import seal
from tests.sim.consensus.crypto import FakeSigner, fake_share, fake_signature

if TYPE_CHECKING:
    from tests.sim.consensus.node import SimNode


class Liar(Protocol):
    """Replaces outputs."""

    def perform(self, output: Output) -> bool:
        """True when it has done something else instead."""
        ...


def make_liar(name: str, node: "SimNode") -> Liar:
    return {"equivocator": Equivocator, "forger": Forger, "nuller": Nuller, "bad-share": BadShare}[name](node)


class _Base:
    def __init__(self, node: "SimNode") -> None:
        self.node = node

    @property
    def signer(self) -> FakeSigner:
        from tests.sim.consensus.network import NETWORK

        return FakeSigner(NETWORK, self.node.validator, None)

    def vote(self, like: Vote, value: bytes) -> Vote:
        """A well signed vote for another value."""
        from tests.sim.consensus.network import NETWORK

        set_hash = self.node.network.validators.hash
        digest = vote_digest(NETWORK, set_hash, like.kind, like.height, like.round, value)
        signed = None
        if like.kind is VoteKind.PRECOMMIT and value != NIL:
            extension = Extension(time_ms=2**62, data=b"toy:liar")
            told = extension_digest(NETWORK, set_hash, like.height, like.round, value, extension)
            signed = SignedExtension(
                validator=self.node.index, extension=extension, signature=fake_signature(self.node.key, told)
            )
        return Vote(
            kind=like.kind,
            height=like.height,
            round=like.round,
            value=value,
            validator=self.node.index,
            share=fake_share(self.node.validator.bls_key, digest),
            extension=signed,
        )

    def to(self, index: int, lane: Lane, message: Message) -> None:
        self.node.network.send(self.node.index, index, lane, seal(self.signer, message))

    def own_message(self, output: Output) -> Message | None:
        if isinstance(output, Broadcast):
            return read_message(read_envelope(output.data))
        return None


class Equivocator(_Base):
    """Tells each peer one of several values: votes, and blocks when it proposes. Forgets all its locks."""

    def __init__(self, node: "SimNode") -> None:
        super().__init__(node)
        self.values: dict[int, list[bytes]] = {}

    def perform(self, output: Output) -> bool:
        message = self.own_message(output)
        if isinstance(message, Vote):
            known = self.values.setdefault(message.height, [NIL])
            if message.value not in known:
                known.append(message.value)
            for peer in self.node.network.nodes:
                self.to(peer.index, Lane.CONSENSUS, self.vote(message, self.node.network.random.choice(known)))
            return True
        if isinstance(message, Proposal) and message.pol_round < 0:
            self._propose_two(message)
            return True
        return False

    def _propose_two(self, first: Proposal) -> None:
        from tests.sim.consensus.network import NETWORK

        replica = self.node.replica
        if replica is None or replica.run.height != first.height:
            return
        self.node.application.pending.append(b"other")
        block = replica.around.executor.build(replica.run.chain, first.block.evidence)
        value = block.header.hash
        self.values.setdefault(first.height, [NIL]).append(value)
        set_hash = self.node.network.validators.hash
        digest = proposal_digest(NETWORK, set_hash, first.height, first.round, -1, value)
        second = Proposal(
            height=first.height,
            round=first.round,
            pol_round=-1,
            block=block,
            certificate=None,
            signature=fake_signature(self.node.key, digest),
        )
        for peer in self.node.network.nodes:
            pick = self.node.network.random.randrange(3)
            if pick != 1:
                self.to(peer.index, Lane.DATA, first)
            if pick != 0:
                self.to(peer.index, Lane.DATA, second)


class Nuller(_Base):
    """Votes nil, always."""

    def perform(self, output: Output) -> bool:
        message = self.own_message(output)
        if not isinstance(message, Vote):
            return False
        self.node.send_to_all(Lane.CONSENSUS, seal(self.signer, self.vote(message, NIL)))
        return True


class BadShare(_Base):
    """Good envelopes around shares that don't verify."""

    def perform(self, output: Output) -> bool:
        message = self.own_message(output)
        if not isinstance(message, Vote):
            return False
        good = self.vote(message, message.value)
        fields = {name: getattr(good, name) for name in good.__struct_fields__}
        fields["share"] = self.node.network.random.randbytes(96)
        self.node.send_to_all(Lane.CONSENSUS, seal(self.signer, Vote(**fields)))
        return True


class Forger(_Base):
    """Makes up certificates, statuses and blocks."""

    def perform(self, output: Output) -> bool:
        random = self.node.network.random
        message = self.own_message(output)
        if isinstance(message, Vote):
            for kind in VoteKind:
                value = random.choice((message.value, tagged_hash("forged", message.value)))
                forged = self._certificate(kind, message.height, message.round + random.randrange(3), value)
                self.node.send_to_all(Lane.CONSENSUS, seal(self.signer, CertificateMessage(certificate=forged)))
        elif isinstance(message, Status):
            told = Status(height=message.height + random.choice((0, 1, 50, 2**40)))
            self.node.send_to_all(Lane.CONSENSUS, seal(self.signer, told))
            return True
        elif isinstance(output, Send) and output.lane is Lane.SYNC:
            return self._forge_blocks(output)
        return False

    def _forge_blocks(self, output: Send) -> bool:
        message = read_message(read_envelope(output.data))
        if not isinstance(message, BlockResponse) or not message.blocks:
            return False
        forged = []
        for committed in message.blocks:
            header = committed.block.header
            certificate = self._certificate(VoteKind.PRECOMMIT, header.height, 0, header.hash)
            forged.append(
                CommittedBlock(block=committed.block, certificate=certificate, extensions=committed.extensions)
            )
        to = self.node.network.by_key[output.to].index
        self.to(to, Lane.SYNC, BlockResponse(blocks=tuple(forged)))
        return True

    def _certificate(self, kind: VoteKind, height: int, round_: int, value: bytes) -> Certificate:
        random, nodes = self.node.network.random, self.node.network.faults.nodes
        return Certificate(
            kind=kind,
            height=height,
            round=round_,
            value=value,
            validators_hash=self.node.network.validators.hash,
            signers=signer_bitmap(random.sample(range(nodes), random.randint(2, nodes))),
            aggregate=random.randbytes(96),
        )
