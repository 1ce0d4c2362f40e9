"""The core: Tendermint (arXiv 1807.04938, Algorithm 1) with certificates, rule by rule under the paper's line numbers.

Rule: `step` is a function of (state, input): no clock, no crypto, no I/O. A transition that needs a quorum for one
value needs its *verified certificate*, which may come from anybody; quorums of mixed votes (L34, L47, L55) only start
timers or rounds, so envelopes suffice for them. Differences from the paper, and why they are safe:
- A prevote certificate of any round with a valid, known value raises valid value and round (the paper does so in the
  round itself only). It cannot unlock: locks change by L36 only, votes across a lock by L28 only.
- L36 and L49 ask for the block, not for the proposal message of that round: the value id names the block.
- The proposer's own propose timer runs as well, so that a failed build does not stop the round.
- A fresh proposal whose time is ahead of the own clock gets nil, as in PBTS (CometBFT): L28 does not ask for the time.
"""

from clearing.base.certificate import NIL, Certificate, VoteKind
from clearing.base.codec import encode
from clearing.base.errors import Bug
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
    StartHeight,
    TimeoutElapsed,
    ValueBuilt,
    VerifyShares,
    VoteReceived,
)
from consensus.core.rules import Rule
from consensus.core.state import HeightState, Step
from consensus.core.votes import PAST_ROUNDS, Added
from consensus.timeouts import TimerKind


def step(state: HeightState, event: Input) -> list[Effect]:
    """Take one input, apply every rule that it enables, and return the effects. Changes `state` in place.

    Raises Bug when a quorum decided a block that is invalid here, or two.
    """
    out: list[Effect] = []
    match event:
        case StartHeight():
            if state.step is Step.NEW:
                _start_round(state, out, 0)
        case ProposalReceived():
            _learn_proposal(state, event)
        case VoteReceived(vote, seal):
            added, first = state.votes.add(vote, state.round, seal)
            if added is Added.CONFLICTING and first is not None:
                out.append(ReportDuplicate(first, vote))
        case CertificateVerified(certificate):
            _learn_certificate(state, certificate)
        case SharesRefused(kind, round_, value, validators):
            out.append(Fired(Rule.REFUSE_SHARES, round_))
            state.votes.refuse(kind, round_, value, validators)
        case TimeoutElapsed(kind, round_):
            _time_out(state, out, kind, round_)
        case ValueBuilt(round_, value):
            if round_ == state.round and state.step is Step.PROPOSE:
                out.append(Propose(round_, value, -1, None))
    _settle(state, out)
    return out


def _settle(state: HeightState, out: list[Effect]) -> None:
    """Apply rules until none applies."""
    while state.running:
        for rule in _RULES:
            if rule(state, out):
                break
        else:
            break
    if state.running:
        nil_round = state.round if state.step is Step.PREVOTE else -1
        for kind, round_, value, shares in state.votes.unchecked_quorums(nil_round):
            out.append(VerifyShares(kind, round_, value, shares))


def _learn_proposal(state: HeightState, event: ProposalReceived) -> None:
    state.known.setdefault(event.value, event.valid)
    state.proposals.setdefault(event.round, event)


def _learn_certificate(state: HeightState, certificate: Certificate) -> None:
    state.votes.add_certificate(certificate)
    if certificate.kind is VoteKind.PREVOTE and certificate.value != NIL:
        highest = state.highest_polka
        if highest is None or certificate.round > highest.round:
            state.highest_polka = certificate


def _time_out(state: HeightState, out: list[Effect], kind: TimerKind, round_: int) -> None:
    """L57, L61, L65. A timer of another round or of a step already left means nothing."""
    if round_ != state.round or not state.running:
        return
    if kind is TimerKind.PROPOSE and state.step is Step.PROPOSE:
        out.append(Fired(Rule.L57_PROPOSE_TIMEOUT, round_))
        _prevote(state, out, NIL)
    elif kind is TimerKind.PREVOTE and state.step is Step.PREVOTE:
        out.append(Fired(Rule.L61_PREVOTE_TIMEOUT, round_))
        _precommit(state, out, NIL)
    elif kind is TimerKind.PRECOMMIT:
        out.append(Fired(Rule.L65_PRECOMMIT_TIMEOUT, round_))
        _start_round(state, out, round_ + 1)


def _start_round(state: HeightState, out: list[Effect], round_: int) -> None:
    """L11 to L21."""
    state.round = round_
    state.step = Step.PROPOSE
    _forget(state)
    out.append(Fired(Rule.L11_START_ROUND, round_))
    if round_ > 0 and state.highest_polka is not None:
        out.append(Fired(Rule.SHOW_POLKA, round_))
        out.append(ShareCertificate(state.highest_polka))
    out.append(_timer(state, TimerKind.PROPOSE))
    if not state.turns.leads(state.own_index, round_):
        return
    if state.valid_value is not None:
        out.append(Fired(Rule.L16_PROPOSE_VALID, round_))
        out.append(Propose(round_, state.valid_value, state.valid_round, state.valid_certificate))
    else:
        out.append(Fired(Rule.L18_BUILD, round_))
        out.append(GetValue(round_))


def _l49_decide(state: HeightState, out: list[Effect]) -> bool:
    """A precommit certificate of any round for a block at hand decides."""
    final = state.votes.value_certificates(VoteKind.PRECOMMIT)
    if len({certificate.value for certificate in final}) > 1:
        shown = " and ".join(encode(certificate).hex() for certificate in final)
        raise Bug(f"height {state.height}: two values are final, more than a third of the power lied: {shown}")
    for certificate in final:
        valid = state.known.get(certificate.value)
        if valid is None:
            if _once(state, out, Rule.FETCH_FINAL, certificate.round):
                out.append(FetchBlock(certificate))
            continue
        if not valid:
            raise Bug(f"height {state.height}: a quorum decided {certificate.value.hex()}, which is invalid here")
        state.decision = certificate
        state.step = Step.DECIDED
        out.append(Fired(Rule.L49_DECIDE, certificate.round))
        out.append(Decide(certificate))
        return True
    return False


def _l55_skip(state: HeightState, out: list[Effect]) -> bool:
    """More than a third of the power is in a later round: follow."""
    round_ = state.votes.highest_skip_round(state.round)
    if round_ is None:
        return False
    out.append(Fired(Rule.L55_SKIP, round_))
    _start_round(state, out, round_)
    return True


def _l22_prevote_new(state: HeightState, out: list[Effect]) -> bool:
    """A fresh proposal: prevote it if it is valid and no lock on another value stands against it."""
    proposal = state.proposals.get(state.round)
    if proposal is None or state.step is not Step.PROPOSE or proposal.pol_round != -1:
        return False
    out.append(Fired(Rule.L22_PREVOTE, state.round))
    if not proposal.timely:
        out.append(Fired(Rule.AHEAD_OF_CLOCK, state.round))
    free = state.locked_round == -1 or state.locked_value == proposal.value
    good = state.known[proposal.value] and proposal.timely
    _prevote(state, out, proposal.value if good and free else NIL)
    return True


def _l28_prevote_again(state: HeightState, out: list[Effect]) -> bool:
    """A re-proposal with its polka: prevote it if the lock is not newer than that polka."""
    proposal = state.proposals.get(state.round)
    if proposal is None or state.step is not Step.PROPOSE or not 0 <= proposal.pol_round < state.round:
        return False
    if state.votes.certificate(proposal.pol_round, VoteKind.PREVOTE, proposal.value) is None:
        return False
    out.append(Fired(Rule.L28_PREVOTE_AGAIN, state.round))
    free = state.locked_round <= proposal.pol_round or state.locked_value == proposal.value
    _prevote(state, out, proposal.value if state.known[proposal.value] and free else NIL)
    return True


def _l34_prevotes(state: HeightState, out: list[Effect]) -> bool:
    """A quorum of mixed prevotes: wait only a while for one value."""
    if state.step is not Step.PREVOTE or not state.votes.has_any_quorum(state.round, VoteKind.PREVOTE):
        return False
    if not _once(state, out, Rule.L34_WAIT_PREVOTES, state.round):
        return False
    out.append(_timer(state, TimerKind.PREVOTE))
    return True


def _l36_lock(state: HeightState, out: list[Effect]) -> bool:
    """A polka for a valid block of this round: lock and precommit, unless a precommit is already out."""
    if state.step < Step.PREVOTE:
        return False
    for value in sorted(value for value, valid in state.known.items() if valid):
        certificate = state.votes.certificate(state.round, VoteKind.PREVOTE, value)
        if certificate is None or not _once(state, out, Rule.L36_LOCK, state.round):
            continue
        if state.step is Step.PREVOTE:
            state.locked_value, state.locked_round = value, state.round
            _precommit(state, out, value)
        _raise_valid(state, certificate)
        return True
    return False


def _l44_nil_polka(state: HeightState, out: list[Effect]) -> bool:
    """A polka for nil: precommit nil."""
    if state.step is not Step.PREVOTE:
        return False
    if state.votes.certificate(state.round, VoteKind.PREVOTE, NIL) is None:
        return False
    out.append(Fired(Rule.L44_NIL_POLKA, state.round))
    _precommit(state, out, NIL)
    return True


def _l47_precommits(state: HeightState, out: list[Effect]) -> bool:
    """A quorum of mixed precommits: wait only a while for a decision."""
    if not state.votes.has_any_quorum(state.round, VoteKind.PRECOMMIT):
        return False
    if not _once(state, out, Rule.L47_WAIT_PRECOMMITS, state.round):
        return False
    out.append(_timer(state, TimerKind.PRECOMMIT))
    return True


def _hidden_lock(state: HeightState, out: list[Effect]) -> bool:
    """A certificate of a round missed: others may be locked on its value, so propose it when it is the own turn."""
    raised = False
    for certificate in state.votes.value_certificates(VoteKind.PREVOTE):
        if certificate.round > state.valid_round and state.known.get(certificate.value):
            out.append(Fired(Rule.HIDDEN_LOCK, certificate.round))
            _raise_valid(state, certificate)
            raised = True
    return raised


_RULES = (
    _l49_decide,
    _l55_skip,
    _l28_prevote_again,
    _l22_prevote_new,
    _l36_lock,
    _hidden_lock,
    _l44_nil_polka,
    _l34_prevotes,
    _l47_precommits,
)


def _raise_valid(state: HeightState, certificate: Certificate) -> None:
    if certificate.round >= state.valid_round:
        state.valid_value, state.valid_round = certificate.value, certificate.round
        state.valid_certificate = certificate


def _prevote(state: HeightState, out: list[Effect], value: bytes) -> None:
    state.step = Step.PREVOTE
    if state.own_index is not None:
        out.append(CastVote(VoteKind.PREVOTE, state.round, value))


def _precommit(state: HeightState, out: list[Effect], value: bytes) -> None:
    state.step = Step.PRECOMMIT
    if state.own_index is not None:
        out.append(CastVote(VoteKind.PRECOMMIT, state.round, value))


def _once(state: HeightState, out: list[Effect], rule: Rule, round_: int) -> bool:
    if (rule, round_) in state.fired:
        return False
    state.fired.add((rule, round_))
    out.append(Fired(rule, round_))
    return True


def _timer(state: HeightState, kind: TimerKind) -> SetTimer:
    return SetTimer(kind, state.round, state.timeouts.duration_ms(kind, state.round))


def _forget(state: HeightState) -> None:
    """Drop data of rounds long past, except what the valid and locked values still need."""
    state.votes.prune(state.round)
    for certificate in (state.valid_certificate, state.highest_polka):
        if certificate is not None:  # However old: L28 looks for it when the own re-proposal comes back.
            state.votes.add_certificate(certificate)
    oldest = state.round - PAST_ROUNDS
    for round_ in [round_ for round_ in state.proposals if round_ < oldest]:
        del state.proposals[round_]
    state.fired = {(rule, round_) for rule, round_ in state.fired if round_ >= oldest}
    needed = {proposal.value for proposal in state.proposals.values()}
    needed |= {state.valid_value, state.locked_value} - {None}  # type: ignore[arg-type]
    for value in [value for value in state.known if value not in needed]:
        del state.known[value]
