"""Proposing: who may, what is looked at, and how many at a time.

Rule: a validator of the set in force or the house; the amendment must pass every check already now, so that nobody
votes on what cannot be; a proposer has few under way and a block judges few, so that judging is bounded whatever is
sent. A proposal is known by its hash until nobody can show it again.
"""

from clearing.base import ed25519
from clearing.base.codec import encode
from clearing.base.errors import Rejected
from clearing.base.ids import HOUSE_MEMBER
from clearing.base.validators import ValidatorSet
from clearing.codes import ClearingCode, reject
from clearing.governance.amendments import AMENDMENT_BYTES_MAX, amendment_hash
from clearing.governance.ballots import in_force
from clearing.governance.effects import judge
from clearing.governance.receipts import ProposalMade
from clearing.governance.records import GovernanceClock, ProposalHeld, Stage
from clearing.governance.requests import HOUSE_PROPOSER, GovernanceProposal
from clearing.requests import check_key, check_time
from clearing.run import Run
from clearing.state.state import State

AT = "proposal"
JUDGED_PER_BLOCK = 2
"""Judging builds risk arrays anew, some 50 ms for 600 options; further proposals are refused unjudged, and can be sent
again. One more is judged of whose turn the block is, so that nobody who fills the blocks silences the others."""
NO_PROPOSER = bytes(32)


def propose(run: Run, index: int, request: GovernanceProposal) -> Rejected | None:
    """Let an amendment be voted on."""
    refusal = check_time(run, AT, request.not_after_ms) or check_proposal(run.state, request)
    if refusal is not None:
        return refusal
    if request.proposer == turn_of(run) and not run.judged_in_turn:
        run.judged_in_turn = True
    elif run.judged_proposals >= JUDGED_PER_BLOCK:
        return reject(ClearingCode.TOO_MANY_PROPOSALS, AT, in_block=run.judged_proposals, limit=JUDGED_PER_BLOCK)
    else:
        run.judged_proposals += 1
    judged = judge(run.state, request.amendment)
    if isinstance(judged, Rejected):
        return judged
    network, terms = run.terms.network, run.terms.genesis.crisis.governance
    content = request.content(network)
    clock = run.state.governance.get(0) or GovernanceClock()
    number = clock.proposals + 1
    run.state.governance.put(0, GovernanceClock(number, clock.amendments, clock.head))
    held = ProposalHeld(
        number=number,
        proposer=proposer_key(in_force(run.state), request),
        seat=request.proposer,
        amendment=request.amendment,
        reason=request.reason,
        made_height=run.block.height,
        vote_until_ms=run.time_ms + terms.vote_ms,
        not_after_ms=request.not_after_ms,
    )
    run.state.proposals.put(content, held)
    run.receipts.append(
        ProposalMade(
            index=index,
            number=number,
            proposal=content,
            amendment=amendment_hash(network, request.amendment),
            proposer=held.proposer,
            vote_until_ms=held.vote_until_ms,
        )
    )
    return None


def turn_of(run: Run) -> int:
    """Who is heard in this block whatever else is in it: the validators one after the other, then the house."""
    seats = len(in_force(run.state).validators)
    turn = run.block.height % (seats + 1)
    return turn if turn < seats else HOUSE_PROPOSER


def check_proposal(state: State, request: GovernanceProposal) -> Rejected | None:
    """All but time and the amendment itself: cheap, and the same for whoever takes proposals in."""
    terms, validators = state.terms.genesis.crisis.governance, in_force(state)
    if not terms.enabled:
        return reject(ClearingCode.GOVERNANCE_OFF, AT)
    if request.proposer != HOUSE_PROPOSER and request.proposer >= len(validators.validators):
        return reject(
            ClearingCode.BAD_APPROVAL,
            f"{AT}.proposer",
            proposer=request.proposer,
            validators=len(validators.validators),
        )
    size = len(encode(request.amendment))
    if size > AMENDMENT_BYTES_MAX:
        # Whoever proposes a block may put in it what no pool takes.
        return reject(ClearingCode.AMENDMENT_REFUSED, f"{AT}.bytes", bytes=size, limit=AMENDMENT_BYTES_MAX)
    refusal = _check_signature(state, validators, request)
    if refusal is not None:
        return refusal
    content, key = request.content(state.terms.network), proposer_key(validators, request)
    if content in state.proposals:
        return reject(ClearingCode.PROPOSAL_KNOWN, AT, proposal=content)
    under_way = sum(held.proposer == key and held.stage is not Stage.CLOSED for _, held in state.proposals.ordered())
    if under_way >= terms.open_proposals:
        return reject(ClearingCode.TOO_MANY_PROPOSALS, AT, under_way=under_way, limit=terms.open_proposals)
    return None


def proposer_key(validators: ValidatorSet, request: GovernanceProposal) -> bytes:
    """The envelope key of who proposes; zeros for the house."""
    house = request.proposer == HOUSE_PROPOSER
    return NO_PROPOSER if house else validators.validators[request.proposer].envelope_key


def _check_signature(state: State, validators: ValidatorSet, request: GovernanceProposal) -> Rejected | None:
    digest = request.digest(state.terms.network)
    if request.proposer == HOUSE_PROPOSER:
        if len(request.signature) != 65:
            return reject(ClearingCode.WRONG_SIGNER, AT, signature=request.signature)
        return check_key(AT, state.members[HOUSE_MEMBER].trade_address, digest, request.signature)
    key = validators.validators[request.proposer].envelope_key
    if len(request.signature) != 64 or not ed25519.verify(key, digest, request.signature):
        return reject(ClearingCode.BAD_APPROVAL, AT, proposer=request.proposer)
    return None
