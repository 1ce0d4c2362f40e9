"""The inbox: each received message is dropped, kept for the next height, or checked and fed to the running one.

Rule: bounded by sender. Of the next height `EARLY_VOTES` votes each are kept, and the proposals of its first rounds;
of later rounds of the running height a sender's messages count only up to a rate, because each of them goes to the
log. One validator alone never sets the pace: a height starts early only on the proposal of its first round, on a
certificate, or on votes of more than a third of the power. A proposal of a later round does not: in later rounds it
is every validator's turn.
"""

from collections.abc import Callable
from dataclasses import dataclass

from clearing.base.certificate import Certificate
from clearing.base.codec import encode
from clearing.base.errors import Bug, RemoteFault
from clearing.base.token_bucket import TokenBuckets
from clearing.base.validators import ValidatorSet
from consensus.blocks.admission import is_final
from consensus.blocks.height_context import HeightContext
from consensus.codes import ConsensusCode
from consensus.core.state import Step
from consensus.core.votes import PAST_ROUNDS
from consensus.evidence.judge import proofs_in
from consensus.evidence.offences import checks_of
from consensus.messages import (
    BlockRequest,
    BlockResponse,
    CertificateMessage,
    DuplicateProposal,
    Envelope,
    EvidenceMessage,
    HaveList,
    LateExtension,
    LinkList,
    Message,
    Proposal,
    Status,
    UndecidedBlockRequest,
    Vote,
)
from consensus.outputs import Lane, Output, PeerFault
from consensus.replica.current_height import CurrentHeight
from consensus.replica.dissemination import Dissemination
from consensus.replica.late_votes import LateVotes
from consensus.replica.outbox import lane_of
from consensus.sync.catchup import CatchUp
from consensus.turns import Turns, collected
from consensus.wal import RecordKind

RELAYED = (Vote, Proposal, CertificateMessage, LateExtension, LinkList)
"""What validators pass on in its own envelope (`consensus.replica.dissemination`)."""
DECIDING = (Vote, Proposal, CertificateMessage)
"""What a height is decided by."""
EARLY_VOTES = 16
LATER_ROUND_VOTES = 64
LATER_ROUND_VOTES_REGAINED = 8
"""At each rebroadcast: messages of a sender once far ahead must count again, or two halves of a quorum never meet."""
PROPOSAL_ROUNDS_AHEAD = 4
EVIDENCE_CHECKS_PER_SECOND = 50
EVIDENCE_CHECKS_AT_ONCE = 400
"""Signature checks that evidence from one peer may cost, about 1.5 ms each."""


@dataclass(frozen=True, slots=True)
class SeenProposal:
    """The first proposal of a round, with which a second one is compared; both together are evidence."""

    sender: bytes
    value: bytes
    pol_round: int
    signature: bytes


def _seen(sender: bytes, proposal: Proposal) -> SeenProposal:
    return SeenProposal(sender, proposal.block.header.hash, proposal.pol_round, proposal.signature)


def _is_turn(turns: Turns, validators: ValidatorSet, sender: bytes, round_: int) -> bool:
    return turns.proposer(round_) == validators.index_of.get(sender)


class Inbox:
    """The receiving side of one replica."""

    def __init__(
        self,
        current: CurrentHeight,
        context: HeightContext,
        catch_up: CatchUp,
        dissemination: Dissemination,
        start_height: Callable[[], None],
        send: Callable[[Output], None],
    ) -> None:
        self._current = current
        self._context = context
        self._catch_up = catch_up
        self._dissemination = dissemination
        self._start_height = start_height
        self._send = send
        self._early: dict[bytes, list[tuple[Envelope, Vote | Proposal, bytes]]] = {}
        self._later_round_counts: dict[bytes, int] = {}
        self._voters: set[bytes] = set()
        self._proposals: dict[int, SeenProposal] = {}
        self._conflicting_rounds: set[int] = set()
        self._late_votes = LateVotes(current, context)
        self._evidence = TokenBuckets(EVIDENCE_CHECKS_PER_SECOND, EVIDENCE_CHECKS_AT_ONCE, ticks=1000)

    @property
    def has_early(self) -> bool:
        """Whether others already work on the height that is next here."""
        validators = self._current.chain.validators
        voters = set(self._voters)
        for sender, received in self._early.items():
            for _, message, _ in received:
                if isinstance(message, Vote):
                    voters.add(sender)
                elif message.round == 0 and _is_turn(self._current.chain.turns, validators, sender, 0):
                    return True
        indices = [validators.index_of[sender] for sender in voters if sender in validators.index_of]
        return validators.is_skip(sum(validators.validators[index].power for index in indices))

    def regain(self) -> None:
        """Time has passed: senders that used up their messages of later rounds have some again."""
        left = {sender: count - LATER_ROUND_VOTES_REGAINED for sender, count in self._later_round_counts.items()}
        self._later_round_counts = {sender: count for sender, count in left.items() if count > 0}

    def take(self, peer: bytes, envelope: Envelope, message: Message, data: bytes) -> None:
        """Handle one message from an authenticated peer. Raises RemoteFault."""
        if envelope.sender != peer:
            self._check_relay(peer, envelope, message)
        if self._current.missing_version is not None and isinstance(message, DECIDING):
            height = message.certificate.height if isinstance(message, CertificateMessage) else message.height
            if height >= self._current.run.height:  # Others have the rules that this release lacks.
                self._catch_up.note_height(peer, height - 1)
                return
        match message:
            case Vote() | Proposal():
                if self._is_current(peer, envelope, message, data):
                    self._take_current(peer, envelope, message, data)
            case CertificateMessage():
                self._take_certificate(peer, envelope, message, data)
            case LateExtension():
                if self._late_votes.take_offered(envelope, message):
                    self._dissemination.pass_on(peer, envelope.sender, data)
            case LinkList():
                self._dissemination.take_links(peer, envelope, message, data)
            case HaveList(height):
                if self._is_running(peer, height):
                    self._dissemination.answer(peer, envelope, message)
            case UndecidedBlockRequest(height):
                if self._is_running(peer, height):
                    self._dissemination.serve(peer, envelope, message)
            case Status(height):
                self._authenticate(envelope)
                self._catch_up.note_height(peer, height)
            case BlockRequest():
                self._authenticate(envelope)
                self._catch_up.serve(peer, message)
            case BlockResponse():
                self._authenticate(envelope)
                self._catch_up.take(peer, message)
            case EvidenceMessage():
                self._take_evidence(envelope, message)

    def _check_relay(self, peer: bytes, envelope: Envelope, message: Message) -> None:
        """Only some messages may come from another than their sender, and only from a validator. Raises RemoteFault."""
        if not isinstance(message, RELAYED):
            raise RemoteFault(ConsensusCode.BAD_ENVELOPE, "sender", sender=envelope.sender, peer=peer)
        chain = self._current.chain
        if peer not in chain.validators.index_of and peer not in chain.next_validators.index_of:
            raise RemoteFault(ConsensusCode.NOT_A_VALIDATOR, "relay", sender=envelope.sender, peer=peer)

    def _is_running(self, peer: bytes, height: int) -> bool:
        """Whether a peer works on the running height. One behind is informed; one ahead is noted."""
        if height < self._current.run.height:
            self._catch_up.help_behind(peer, height)
        elif height > self._current.run.height:
            self._catch_up.note_height(peer, height - 1)
        return height == self._current.run.height

    def take_recorded(self, envelope: Envelope, message: Message) -> None:
        """Feed an input of the log again. It was checked when it was recorded."""
        run = self._current.run
        match message:
            case Vote():
                run.take_vote(message, envelope.signature)
            case Proposal():
                self._proposals.setdefault(message.round, _seen(envelope.sender, message))
                run.take_proposal(message)
            case CertificateMessage():
                run.take_certificate(message)
            case _:
                raise Bug(f"the log has a {type(message).__name__} as an input")

    def take_early(self) -> None:
        """The height that these messages are for has started."""
        early, self._early = self._early, {}
        for peer, received in early.items():
            for envelope, message, data in received:
                try:
                    if self._current.run.decided is None and self._is_current(peer, envelope, message, data):
                        self._take_current(peer, envelope, message, data)
                except RemoteFault as fault:
                    self._send(PeerFault(peer, fault))

    def turn(self) -> None:
        """A height was decided."""
        self._later_round_counts.clear()
        self._voters.clear()
        self._proposals.clear()
        self._conflicting_rounds.clear()

    def _is_current(self, peer: bytes, envelope: Envelope, message: Vote | Proposal, data: bytes) -> bool:
        height = self._current.run.height
        if message.height == height:
            return True
        if message.height < height:
            late = (
                isinstance(message, Vote)
                and message.height == height - 1
                and self._late_votes.take_vote(envelope, message)
            )
            if late:
                self._dissemination.pass_on(peer, envelope.sender, data)
            # Of many votes sent to a collector the last third comes after the decision. Their senders learn of it from
            # the collector's certificate, so they get no answer of ours; nor does who only passed it on.
            if peer == envelope.sender and not (late and collected(self._current.chain.last_validators)):
                self._catch_up.help_behind(peer, message.height)
            return False
        if message.height == height + 1 and envelope.sender in self._current.chain.next_validators.index_of:
            self._keep_early(peer, envelope, message, data)
        self._catch_up.note_height(peer, message.height - 1)
        return False

    def _keep_early(self, peer: bytes, envelope: Envelope, message: Vote | Proposal, data: bytes) -> None:
        received = self._early.setdefault(envelope.sender, [])
        proposals = sum(1 for _, early, _ in received if isinstance(early, Proposal))
        if isinstance(message, Vote):
            wanted = len(received) - proposals < EARLY_VOTES
        else:  # Each is a block: keep only those of proposers whose turn is soon, or a large set would fill the memory.
            soon = message.round <= PROPOSAL_ROUNDS_AHEAD
            chain = self._current.chain
            is_turn = _is_turn(chain.next_turns, chain.next_validators, envelope.sender, message.round)
            wanted = soon and not proposals and is_turn
        if wanted and not any(data == early for _, _, early in received):
            if peer != envelope.sender:  # Or a relay could fill the place of another validator's messages.
                self._authenticate(envelope)
            received.append((envelope, message, data))

    def _take_current(self, peer: bytes, envelope: Envelope, message: Vote | Proposal, data: bytes) -> None:
        if isinstance(message, Vote):
            self._take_vote(peer, envelope, message, data)
        else:
            self._take_proposal(peer, envelope, message, data)

    def _take_vote(self, peer: bytes, envelope: Envelope, vote: Vote, data: bytes) -> None:
        current, run, admission = self._current, self._current.run, self._context.admission
        admission.check_voter(current.chain.validators, envelope, vote)
        if not run.state.votes.wants(vote) or vote.round < run.state.round - PAST_ROUNDS:
            return
        later = vote.round > run.state.round + 1
        if later and self._later_round_counts.get(envelope.sender, 0) >= LATER_ROUND_VOTES:
            return
        self._authenticate(envelope)
        admission.check_vote_extension(current.chain.network, current.chain.validators, vote)
        if later:
            self._later_round_counts[envelope.sender] = self._later_round_counts.get(envelope.sender, 0) + 1
        self._dissemination.pass_on(peer, envelope.sender, data)
        if run.state.step is Step.NEW:
            self._voters.add(envelope.sender)
            if self.has_early:
                self._start_height()
        if run.decided is None:
            run.record(RecordKind.RECEIVED, data)
            run.take_vote(vote, envelope.signature)

    def _take_proposal(self, peer: bytes, envelope: Envelope, proposal: Proposal, data: bytes) -> None:
        current, run, admission = self._current, self._current.run, self._context.admission
        ahead = proposal.round - run.state.round
        if not -PAST_ROUNDS <= ahead <= PROPOSAL_ROUNDS_AHEAD:
            return
        if proposal.round in self._conflicting_rounds and proposal.block.header.hash != run.missing_block():
            return
        admission.check_proposer(current.chain, envelope, proposal)
        first = self._proposals.get(proposal.round)
        if first is not None and (first.value == proposal.block.header.hash or first.sender != envelope.sender):
            return
        self._authenticate(envelope)
        admission.check_proposal(current.chain, envelope, proposal)
        if first is not None:
            self._conflicting_rounds.add(proposal.round)
            self._report(first, proposal)
        self._proposals.setdefault(proposal.round, _seen(envelope.sender, proposal))
        self._forget(run.state.round - PAST_ROUNDS)
        if proposal.round == 0 or proposal.certificate is not None:
            self._start_height()
        # Of a proposer that is none to those who know the history, it would be this node's fault.
        is_sure = current.chain.turns.leads(current.chain.validators.index_of[envelope.sender], proposal.round)
        if is_sure:
            self._dissemination.pass_on(peer, envelope.sender, data, Lane.DATA)
        if run.decided is None:
            run.record(RecordKind.RECEIVED, data)
            fault = run.take_proposal(proposal)
            if is_sure:
                self._dissemination.keep(envelope, proposal)
            if fault is not None:
                self._send(PeerFault(envelope.sender, fault))

    def _take_certificate(self, peer: bytes, envelope: Envelope, message: CertificateMessage, data: bytes) -> None:
        current, admission = self._current, self._context.admission
        certificate = message.certificate
        if certificate.height < current.run.height:
            if admission.conflicts(current.chain, certificate):
                raise Bug(
                    f"two blocks are final at height {certificate.height}: {_hex_of(current.chain.commit, certificate)}"
                )
            if peer == envelope.sender and (not is_final(certificate) or certificate.height < current.chain.height):
                self._catch_up.help_behind(peer, certificate.height)
            self._late_votes.take_certificate(envelope, message)
            return
        if certificate.height > current.run.height:
            final = is_final(certificate)
            self._catch_up.note_height(peer, certificate.height - (0 if final and peer == envelope.sender else 1))
            return
        run = current.run
        if run.state.votes.certificate(certificate.round, certificate.kind, certificate.value) is not None:
            return
        admission.check_certificate(current.chain, message)
        self._authenticate(envelope)
        self._dissemination.pass_on(peer, envelope.sender, data, lane_of(data))
        self._start_height()
        if run.decided is None and run.state.step is not Step.NEW:
            run.record(RecordKind.RECEIVED, data)
            run.take_certificate(message)

    def _take_evidence(self, envelope: Envelope, message: EvidenceMessage) -> None:
        """Evidence from another validator: keep it for the own next block.

        Only repeated or untimely evidence is no fault.
        """
        run, now = self._current.run, self._context.clock.steady_ms()
        pool, judge = self._context.evidence, self._context.executor.judge
        new = [proof for proof in proofs_in(message.evidence) if not pool.knows(proof)]
        if not new or not self._evidence.has(envelope.sender, now):
            return
        self._authenticate(envelope)
        self._evidence.charge(envelope.sender, now, sum(checks_of(proof) for proof in new), EVIDENCE_CHECKS_AT_ONCE)
        for proof in new:
            try:
                judge.check_proof(run.chain, proof)
            except RemoteFault as fault:
                if fault.code is ConsensusCode.BAD_EVIDENCE:
                    raise
                continue
            pool.add(proof)

    def _forget(self, oldest: int) -> None:
        """Drop proposals of rounds long past."""
        self._proposals = {round_: seen for round_, seen in self._proposals.items() if round_ >= oldest}
        self._conflicting_rounds = {round_ for round_ in self._conflicting_rounds if round_ >= oldest}

    def _report(self, first: SeenProposal, second: Proposal) -> None:
        """Two proposals in a round are evidence: keep it, and blame the proposer."""
        current = self._current
        low, high = sorted((first, _seen(first.sender, second)), key=lambda seen: seen.value)
        validators = current.chain.validators
        sender = validators.index_of[first.sender]
        item = DuplicateProposal(
            validators_hash=validators.hash,
            height=second.height,
            round=second.round,
            validator=sender,
            first_pol_round=low.pol_round,
            first_value=low.value,
            first_signature=low.signature,
            second_pol_round=high.pol_round,
            second_value=high.value,
            second_signature=high.signature,
        )
        current.run.report(item)
        peer = validators.validators[sender].envelope_key
        fault = RemoteFault(ConsensusCode.DOUBLE_SIGN, "proposal", height=second.height, round=second.round)
        self._send(PeerFault(peer, fault))

    def _authenticate(self, envelope: Envelope) -> None:
        self._context.admission.check_envelope(self._current.chain.network, envelope)


def _hex_of(*certificates: Certificate | None) -> str:
    """In hexadecimal, so that the last line of a node's log is the proof that freezes a vault."""
    return " and ".join(encode(certificate).hex() for certificate in certificates)
