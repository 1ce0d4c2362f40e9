"""Twins: two correct validators under one key, each talking to its own part of the others."""

from dataclasses import replace

from clearing.base.errors import CrossclearError
from consensus.core.events import StartHeight, TimeoutElapsed
from consensus.core.state import Step
from consensus.messages import CertificateMessage, Message, Proposal, Vote, read_envelope
from consensus.outputs import Broadcast, Output, Send, StartTimer
from consensus.replica.height import HeightRun
from consensus.timeouts import PAPER_TIMERS, TimerKind
from tests.kit.adversaries.blocks import other_executor
from tests.kit.adversaries.context import Adversary, AdversaryContext, read_any


class Twins(Adversary):
    """The replica talks to some peers; to the rest its twin does: a second run of the same height, with own locks."""

    def __init__(self, context: AdversaryContext) -> None:
        super().__init__(context)
        self._twin: HeightRun | None = None
        self._his: set[bytes] = set()
        self._timers: dict[TimerKind, tuple[int, int]] = {}

    def incoming(self, peer: bytes, data: bytes) -> list[Output]:
        message, twin = read_any(data), self._running()
        if twin is None or message is None:
            return []
        try:
            self._hear(twin, read_envelope(data).sender, message)
        except CrossclearError:
            return []
        return self._spoken(twin)

    def outgoing(self, output: Output) -> list[Output] | None:
        if not isinstance(output, Broadcast) or not isinstance(read_any(output.data), Vote | Proposal):
            return None
        return [Send(peer, output.lane, output.data) for peer in self.peers() if peer not in self._his]

    def due(self) -> list[Output]:
        replica, twin = self.context.replica(), self._running()
        if replica is None or twin is None:
            return []
        now = replica.clock.steady_ms()
        for kind, (at, round_) in sorted(self._timers.items()):
            if at <= now and self._timers.get(kind) == (at, round_):
                del self._timers[kind]
                twin.take_timeout(TimeoutElapsed(kind, round_))
        return self._spoken(twin)

    def _running(self) -> HeightRun | None:
        """The twin's run of the height that the replica is in, once that one has started."""
        replica = self.context.replica()
        if replica is None or not replica.run.state.running:
            return None
        if self._twin is None or self._twin.height != replica.run.height:
            around = replace(
                replica.context,
                signer=self.signer,
                executor=other_executor(self.context, replica),
            )
            self._twin = HeightRun(replica.run.chain, around)
            self._timers.clear()
            self._his = {peer for peer in self.peers() if self.random.randrange(2)}
            self._twin.feed(StartHeight())
        return self._twin

    def _hear(self, twin: HeightRun, sender: bytes, message: Message) -> None:
        """What a correct replica would check at least; who lies to a liar is not checked any further."""
        replica = self.context.replica()
        if replica is None or twin.state.step is Step.DECIDED:
            return
        chain, admission = twin.chain, replica.context.admission
        match message:
            case Vote(height=twin.height):
                if chain.validators.index_of.get(sender) == message.validator:
                    twin.take_vote(message)
            case Proposal(height=twin.height):
                if chain.validators.index_of.get(sender) == twin.proposer(message.round):
                    if message.certificate is not None:
                        replica.context.certificates.verify(message.certificate, chain.validators)
                    twin.take_proposal(message)
            case CertificateMessage(certificate) if certificate.height == twin.height:
                admission.check_certificate(chain, message)
                twin.take_certificate(message)

    def _spoken(self, twin: HeightRun) -> list[Output]:
        replica = self.context.replica()
        outputs, twin.outputs[:] = list(twin.outputs), []
        twin.records.clear()
        twin.fetching.clear()
        said: list[Output] = []
        for output in outputs:
            if isinstance(output, Broadcast):
                said += [Send(peer, output.lane, output.data) for peer in sorted(self._his)]
            elif isinstance(output, StartTimer) and output.kind in PAPER_TIMERS and replica is not None:
                self._timers[output.kind] = (replica.clock.steady_ms() + output.duration_ms, output.round)
        return said
