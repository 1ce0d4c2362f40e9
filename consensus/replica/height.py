"""`HeightRun`: one height, the core together with the blocks, signatures and log records around it.

Rule: it performs the core's effects at once and in order, and feeds the answers back until nothing is left. Messages
to send are in `outputs`; records that must be durable before are in `records`.
"""

from collections import deque

from clearing.base.certificate import NIL, Certificate, VoteKind, signer_indices
from clearing.base.codec import encode
from clearing.base.errors import LocalFault, RemoteFault
from consensus.blocks.admission import is_final
from consensus.blocks.height_context import HeightContext
from consensus.blocks.vote_extensions import ExtensionKeeper, is_timely
from consensus.chain_state import ChainState
from consensus.codes import ConsensusCode
from consensus.core.adaptive_timeouts import StepWatch
from consensus.core.events import (
    CastVote,
    CertificateVerified,
    Decide,
    Effect,
    FetchBlock,
    Fired,
    GetValue,
    Input,
    ProposalReceived,
    Propose,
    ReportDuplicate,
    SetTimer,
    ShareCertificate,
    SharesRefused,
    TimeoutElapsed,
    ValueBuilt,
    VerifyShares,
    VoteReceived,
)
from consensus.core.rules import Rule
from consensus.core.state import Step, new_state
from consensus.core.step import step
from consensus.core.votes import PAST_ROUNDS
from consensus.evidence.accountability import contradictions
from consensus.evidence.judge import as_evidence, duplicate_vote
from consensus.evidence.offences import Proof
from consensus.messages import (
    BadShare,
    Block,
    CertificateMessage,
    CommittedBlock,
    Evidence,
    EvidenceMessage,
    LateExtension,
    Proposal,
    SignedExtension,
    Vote,
)
from consensus.outputs import Broadcast, Lane, Output, PeerFault, RuleFired, StartTimer
from consensus.replica.outbox import Delivery, HeightOutbox, lane_of, late_extension, own_extension
from consensus.signing import assemble_certificate, seal
from consensus.timeouts import TimerKind
from consensus.turns import collected
from consensus.wal import Record, RecordKind, TimeoutRecord

GRACE_MS = 100
"""How long the block of a certificate may come after it."""


class HeightRun:
    """From before the start of a height to its decision."""

    def __init__(self, chain: ChainState, context: HeightContext, recorded: tuple[Record, ...] = ()) -> None:
        self.chain = chain
        self.height = chain.height + 1
        own = chain.validators.index_of.get(context.signer.envelope_key)
        self.state = new_state(chain.turns, chain.validators, own, context.timeouts.current)
        self.outbox = HeightOutbox(chain, context.signer, recorded)
        self.outputs: list[Output] = []
        self.delivery = Delivery(chain, own, context.signer, context.links, self.outputs)
        self.records: list[Record] = []
        self.record_bytes = 0
        self.must_persist = False
        self.fetching: list[Certificate] = []
        """Certificates of final values whose block isn't here."""
        self.decided: CommittedBlock | None = None
        self._looked_for: set[bytes] = set()
        """Values that had a certificate before their block."""
        self._unsigned: CastVote | Propose | None = None
        self.watch = StepWatch()
        self._context = context
        self._round_without_proposal = -1
        """The round in which too few extensions were here to propose."""
        self._blocks: dict[bytes, Block] = {}
        self._extensions = ExtensionKeeper(self.state.votes)

    def feed(self, event: Input) -> None:
        """Give the core one input and perform all that follows. Raises Bug."""
        waiting = deque([event])
        while waiting and self.decided is None:
            current = waiting.popleft()
            if isinstance(current, ProposalReceived):
                self.watch.proposed(current.round, self._context.clock.steady_ms())
            for effect in step(self.state, current):
                waiting.extend(self._perform(effect))
            if isinstance(current, CertificateVerified):
                self._look_for_block(current.certificate)

    def block(self, value: bytes) -> Block | None:
        """A block at hand."""
        return self._blocks.get(value)

    def extensions_of(self, certificate: Certificate) -> tuple[SignedExtension, ...]:
        """The extensions at hand that a final certificate is for; none for any other."""
        return self._extensions.of(certificate) if is_final(certificate) else ()

    def missing_block(self) -> bytes | None:
        """The value with the strongest votes whose block is not here: final, with a polka, or voted for in this round.

        None when there is none, or the height does not run.
        """
        state = self.state
        if not state.running:
            return None
        polka = () if state.highest_polka is None else (state.highest_polka,)
        certified = (*state.votes.value_certificates(VoteKind.PRECOMMIT), *polka)
        values = [certificate.value for certificate in certified]
        values += [vote.value for vote in state.votes.votes(state.round, VoteKind.PREVOTE)]
        return next((value for value in values if value != NIL and value not in state.known), None)

    def voters_for(self, value: bytes) -> set[int]:
        """Validators that prevoted a value in any round, or signed a certificate of it."""
        votes, found = self.state.votes, set[int]()
        for round_, kind in votes.steps:
            found |= {vote.validator for vote in votes.votes(round_, kind) if vote.value == value}
            certificate = votes.certificate(round_, kind, value)
            found |= set(signer_indices(certificate.signers)) if certificate is not None else set()
        return found

    def _look_for_block(self, certificate: Certificate) -> None:
        """Votes may overtake a long block; look again a little later."""
        value = certificate.value
        if value != NIL and self.state.running and value not in self.state.known and value not in self._looked_for:
            self._looked_for.add(value)
            self.outputs.append(StartTimer(TimerKind.ASK, self.height, self.state.round, GRACE_MS))

    def take_timeout(self, event: TimeoutElapsed) -> None:
        """A timer of the core ran out; logged, as every input is."""
        if self.state.running and event.round == self.state.round:
            self.record(RecordKind.TIMEOUT, encode(TimeoutRecord(kind=event.kind, round=event.round)))
            self.feed(event)

    def take_vote(self, vote: Vote, seal: bytes = b"") -> None:
        """A checked vote, with the signature of the envelope that it came in."""
        self.feed(VoteReceived(vote, seal))

    def take_certificate(self, message: CertificateMessage) -> None:
        """A checked certificate."""
        certificate = message.certificate
        if message.extensions:
            self._extensions.take(certificate, message.extensions)
        self.feed(CertificateVerified(certificate))

    def take_proposal(self, proposal: Proposal) -> RemoteFault | None:
        """A proposal, checked except for its block. Returns the fault of an invalid block."""
        fault = self._learn_block(proposal.block)
        value = proposal.block.header.hash
        valid = self.state.known.get(value, fault is None)
        # The proposal first: its certificate may start a round, which forgets blocks that no proposal names.
        timely = self._is_timely(proposal.block)
        self.feed(ProposalReceived(proposal.round, value, proposal.pol_round, valid, timely))
        if proposal.certificate is not None:
            self.feed(CertificateVerified(proposal.certificate))
        return fault

    def record(self, kind: RecordKind, data: bytes) -> None:
        """Note an input or own message for the log."""
        self.records.append(Record(height=self.height, kind=kind, data=data))
        self.record_bytes += len(data)

    def take_records(self) -> tuple[Record, ...]:
        """Records that are not in the log yet, to be written now."""
        records = tuple(self.records)
        self.records.clear()
        self.record_bytes = 0
        self.must_persist = False
        return records

    def proposer(self, round_: int) -> int:
        """The proposer of a round, by index."""
        return self.state.turns.proposer(round_)

    def take_collect_timeout(self, round_: int) -> None:
        """Half a timeout ago a vote went to the collectors: without progress, send it to all."""
        if self.state.running and self.state.round == round_:
            self.delivery.fall_back(self.outbox.votes(round_))

    def take_extensions(self, chain: ChainState) -> None:
        """More extensions of the last height are at hand: perhaps enough to propose after all."""
        self.chain = chain
        if self.state.running and self.state.step is Step.PROPOSE and self.state.round == self._round_without_proposal:
            for event in self._build(self._round_without_proposal):
                self.feed(event)

    def repeat(self) -> None:
        """Repeat what others may have missed: the own last messages, and certificates."""
        self.delivery.fall_back(())
        self._sign_again()
        for data in self.outbox.latest():
            self.outputs.append(Broadcast(lane_of(data), data))
        if self.state.highest_polka is not None:
            self._share(self.state.highest_polka)
        for certificate in self.state.votes.value_certificates(VoteKind.PRECOMMIT):
            # Its block isn't here; a peer with the block may lack the certificate, and takes it with extensions only.
            self._share(certificate, self._extensions.of(certificate))

    def ask_later(self) -> None:
        """Half a proposal's time from now, look for what has not arrived."""
        round_ = self.state.round
        patience = self.state.timeouts.collect_ms(round_)
        self.outputs.append(StartTimer(TimerKind.ASK, self.height, round_, patience))

    def _sign_again(self) -> None:
        """A signer that was away may be back: sign the same value, or a height without a quorum would stop."""
        effect, self._unsigned = self._unsigned, None
        if effect is not None and effect.round == self.state.round:
            for event in self._perform(effect):
                self.feed(event)

    def _perform(self, effect: Effect) -> list[Input]:
        match effect:
            case Fired(line, round_):
                self.outputs.append(RuleFired(line, self.height, round_))
                self.watch.fired(line, round_, self._context.clock.steady_ms())
                if line is Rule.L11_START_ROUND:
                    self._forget()
                    self._offer_extension(round_)
                    if round_ > 0:  # Who has all votes of the last round must not leave behind those who lack its own.
                        self.delivery.fall_back(self.outbox.votes(round_ - 1))
                    if self._context.links.missing:
                        self.ask_later()
            case SetTimer(kind, round_, duration_ms):
                if kind is TimerKind.PROPOSE:
                    duration_ms = self.watch.patience(duration_ms)
                self.outputs.append(StartTimer(kind, self.height, round_, duration_ms))
            case GetValue(round_):
                return self._build(round_)
            case Propose():
                return self._propose(effect)
            case CastVote():
                return self._cast(effect)
            case VerifyShares():
                return self._verify(effect)
            case ShareCertificate(certificate):
                self._share(certificate)
            case FetchBlock(certificate):
                self.fetching.append(certificate)
            case ReportDuplicate(first, second):
                self._report(first, second)
            case Decide(certificate):
                self._report_contradictions()
                self.decided = CommittedBlock(
                    block=self._blocks[certificate.value],
                    certificate=certificate,
                    extensions=self._extensions.of(certificate),
                )
        return []

    def _build(self, round_: int) -> list[Input]:
        made = self.outbox.proposal(round_)
        if made is not None:
            block = made.block
            self._learn_block(block)
        else:
            try:
                block = self._context.executor.build(self.chain, self._pick_evidence())
            except LocalFault:
                # Too few extensions are here to propose: others may send theirs, if they know for which certificate.
                if self._round_without_proposal != round_ and self.chain.commit is not None:
                    self._share(self.chain.commit)
                self._round_without_proposal = round_
                return []
            self._round_without_proposal = -1
            self._blocks[block.header.hash] = block
        return [ValueBuilt(round_, block.header.hash)]

    def _propose(self, effect: Propose) -> list[Input]:
        if self.outbox.proposal(effect.round) is None:
            block = self._blocks[effect.value]
            try:
                _, data = self.outbox.make_proposal(effect.round, effect.pol_round, block, effect.certificate)
            except LocalFault:
                self._unsigned = effect  # Silence: signed otherwise before a crash that lost the log, or no signer.
                return []
            self.record(RecordKind.OWN, data)
            self.must_persist = True
            self.outputs.append(Broadcast(Lane.DATA, data))
        valid = self.state.known.get(effect.value, True)
        timely = self._is_timely(self._blocks[effect.value])
        return [ProposalReceived(effect.round, effect.value, effect.pol_round, valid, timely)]

    def _is_timely(self, block: Block) -> bool:
        return is_timely(self.chain, block.header.time_ms, self._context.clock.wall_ms())

    def _cast(self, effect: CastVote) -> list[Input]:
        vote = self.outbox.vote(effect.round, effect.kind)
        if vote is None:
            around, own = self._context, self.state.own_index
            if own is None:
                return []
            extension = own_extension(
                around.application, self.height, effect.kind, effect.value, around.clock.wall_ms()
            )
            try:
                vote, data = self.outbox.make_vote(own, effect.kind, effect.round, effect.value, extension)
            except LocalFault:
                self._unsigned = effect
                return []
            self._unsigned = None
            self.record(RecordKind.OWN, data)
            self.must_persist = True
            if effect.kind is VoteKind.PRECOMMIT and effect.value == NIL and not self.delivery.to_all:
                self.delivery.fall_back(self.outbox.votes(effect.round))  # No certificate of it: all must count it.
            elif self.delivery.vote(effect.round, data):
                patience = self.state.timeouts.collect_ms(effect.round)
                self.outputs.append(StartTimer(TimerKind.COLLECT, self.height, effect.round, patience))
        return [VoteReceived(vote)]

    def _verify(self, effect: VerifyShares) -> list[Input]:
        around, validators = self._context, self.chain.validators
        what = (effect.kind, self.height, effect.round, effect.value)
        certificate, bad = assemble_certificate(around.verifier, self.chain.network, validators, what, effect.shares)
        if certificate is not None:
            around.certificates.add(certificate)
            if self.delivery.collects(effect.round):
                self.delivery.certificate(certificate, self._extensions.of(certificate))
            return [CertificateVerified(certificate)]
        for index in bad:
            peer = validators.validators[index].envelope_key
            fault = RemoteFault(ConsensusCode.BAD_SHARE, "vote", height=self.height, round=effect.round, sender=peer)
            self.outputs.append(PeerFault(peer, fault))
            sent = self.state.votes.sealed(effect.round, effect.kind, index)
            if sent is not None:
                self.report(BadShare(*sent))
        return [SharesRefused(effect.kind, effect.round, effect.value, bad)]

    def _share(self, certificate: Certificate, extensions: tuple[SignedExtension, ...] = ()) -> None:
        data = seal(self._context.signer, CertificateMessage(certificate=certificate, extensions=extensions))
        self.outputs.append(Broadcast(lane_of(data), data))

    def report(self, proof: Proof) -> RemoteFault | None:
        """Keep a proof of misbehaviour and broadcast it, once. Returns the fault of one that proves nothing (new)."""
        around = self._context
        if around.evidence.knows(proof):
            return None
        try:
            around.executor.judge.check_proof(self.chain, proof)
        except RemoteFault as fault:
            return fault
        if around.evidence.add(proof):
            data = seal(around.signer, EvidenceMessage(evidence=as_evidence(proof)))
            self.outputs.append(Broadcast(Lane.DATA, data))
        return None

    def _pick_evidence(self) -> Evidence:
        return self._context.executor.judge.pick(self.chain, self._context.evidence)

    def _report_contradictions(self) -> None:
        """After the decision: report validators that contradicted themselves, but no shares that do not verify."""
        for conflict in contradictions(self.state.votes):
            self.report(conflict)

    def _report(self, first: Vote, second: Vote) -> None:
        peer = self.chain.validators.validators[first.validator].envelope_key
        fault = self.report(duplicate_vote(self.chain.validators.hash, first, second))
        if fault is None:
            fault = RemoteFault(ConsensusCode.DOUBLE_SIGN, "vote", height=self.height, round=first.round, sender=peer)
        self.outputs.append(PeerFault(peer, fault))

    def _learn_block(self, block: Block) -> RemoteFault | None:
        value = block.header.hash
        if value in self._blocks and value in self.state.known:
            return None
        self._blocks[value] = block
        try:
            self._context.executor.check(self.chain, block)
        except RemoteFault as fault:
            return fault
        return None

    def _offer_extension(self, round_: int) -> None:
        """A round failed, perhaps because its proposer lacked extensions: send the own one to the next proposers."""
        if round_ > 0 and collected(self.chain.last_validators):
            around = self._context
            signed = late_extension(around.application, around.signer, self.chain, around.clock.wall_ms())
            commit = self.chain.commit
            if signed is not None and commit is not None:
                self.chain = self.chain.with_extensions((signed,))
                self.delivery.extension(round_, LateExtension(commit.height, commit.round, signed))

    def _forget(self) -> None:
        for value in [value for value in self._blocks if value not in self.state.known]:
            del self._blocks[value]
        oldest = self.state.round - PAST_ROUNDS
        self._extensions.forget(oldest)
        self.outbox.forget(oldest)
