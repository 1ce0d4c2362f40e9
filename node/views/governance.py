"""Governance of a state as the API shows it.

Rule: reads only. What a member sees of an effect is of its own accounts.
"""

from collections.abc import Collection

from clearing.base.codec import encode
from clearing.base.errors import Rejected
from clearing.genesis import Genesis
from clearing.governance.amendments import Amendment, TermsAmendment
from clearing.governance.ballots import in_force, tally
from clearing.governance.certified import certify_amendments, write_amendments
from clearing.governance.dry_run import AccountEffect, Standing, dry_run
from clearing.governance.records import AmendmentHeld, GovernanceClock, ProposalHeld, Stage
from clearing.ledger import can_hold
from clearing.state.state import State
from consensus.light.client import LightBlock
from node.api.governance_shapes import (
    AccountEffectView,
    AmendmentView,
    BallotView,
    EffectView,
    GovernanceView,
    HaltView,
    PlaceView,
    ProposalView,
    StandingView,
    StruckView,
)
from node.api.render import hexed
from node.governance_values import after_json, kind_of, present_json

AMENDMENTS_SHOWN = 100


def governance_of(state: State) -> GovernanceView:
    """Proposals under way, amendments, halts, detached vaults."""
    terms, clock = state.terms.genesis.crisis.governance, state.governance.get(0) or GovernanceClock()
    newest = range(max(clock.amendments - AMENDMENTS_SHOWN, 0) + 1, clock.amendments + 1)
    open_ones = [(key, held) for key, held in state.proposals.ordered() if held.stage is not Stage.CLOSED]
    return GovernanceView(
        network=hexed(state.terms.network),
        height=state.now.height,
        time_ms=state.now.time_ms,
        enabled=terms.enabled,
        vote_ms=terms.vote_ms,
        timelock_ms=terms.timelock_ms,
        timelock_floor_ms=terms.timelock_floor_ms,
        proposals=tuple(
            _proposal(state, key, held) for key, held in sorted(open_ones, key=lambda each: each[1].number)
        ),
        amendments_count=clock.amendments,
        amendments=tuple(_amendment(number, state.amendments[number]) for number in newest),
        head=hexed(clock.head),
        halts=tuple(
            HaltView(instrument=instrument, until_height=held.until_height, halts=held.number)
            for instrument, held in state.halts.ordered()
        ),
        struck=tuple(
            StruckView(chain_id=chain_id, vault=hexed(vault), height=held.height)
            for (chain_id, vault), held in state.struck.ordered()
        ),
    )


def proposal_numbered(state: State, number: int) -> Amendment | None:
    """What proposal `number` would change; None when it is not under way."""
    found = (held.amendment for _, held in state.proposals.ordered() if held.number == number)
    return next(found, None)


def amendments_file(state: State, block: LightBlock | None) -> bytes | None:
    """All amendments, certified by this block; None before anything was proposed, or while the state is another's."""
    if block is None or state.governance.get(0) is None or block.header.module_roots != state.module_roots():
        return None
    return write_amendments(certify_amendments(state, block.header, block.certificate, block.validators))


def effect_on_member(state: State, number: int, address: bytes) -> EffectView | None:
    """What a proposal would do to all accounts of the member with this key; None when it is not under way."""
    amendment = proposal_numbered(state, number)
    member = next((each for each, record in state.members.ordered() if record.trade_address == address), None)
    if amendment is None or member is None:
        return None
    accounts = [each for each, record in state.accounts.ordered() if record.member == member]
    return effect_of(state, number, amendment, [each for each in accounts if can_hold(state, each)])


def effect_of(state: State, number: int, amendment: Amendment, accounts: Collection[int]) -> EffectView:
    """What it would do to these accounts now."""
    found = dry_run(state, amendment, accounts)
    if isinstance(found, Rejected):
        return EffectView(proposal=number, height=state.now.height, refusal=str(found), accounts=())
    return EffectView(
        proposal=number, height=found.height, refusal="", accounts=tuple(effect_view(each) for each in found.accounts)
    )


def effect_view(effect: AccountEffect) -> AccountEffectView:
    """One account."""
    return AccountEffectView(account=effect.account, before=_standing(effect.before), after=_standing(effect.after))


def _standing(standing: Standing) -> StandingView:
    return StandingView(
        equity=str(standing.equity),
        initial=str(standing.initial),
        maintenance=str(standing.maintenance),
        called=not standing.initial_ok,
        liquidated=not standing.maintenance_ok,
    )


def _proposal(state: State, key: bytes, held: ProposalHeld) -> ProposalView:
    counted, amendment = tally(state, held.number), held.amendment
    powers = {each.envelope_key: each.power for each in in_force(state).validators}
    ballots = [
        BallotView(envelope_key=hexed(voter), approve=vote.approve, revision=vote.revision, power=powers.get(voter, 0))
        for (number, voter), vote in state.votes.ordered()
        if number == held.number
    ]
    return ProposalView(
        number=held.number,
        hash=hexed(key),
        kind=kind_of(amendment) if amendment is not None else "",
        amendment="0x" + (encode(amendment).hex() if amendment is not None else ""),
        places=places_of(state.terms.genesis, amendment) if amendment is not None else (),
        reason=held.reason,
        proposer=hexed(held.proposer) if any(held.proposer) else "house",
        seat=held.seat,
        not_after_ms=held.not_after_ms,
        agreed=held.stage is Stage.AGREED,
        made_at=held.made_height,
        vote_until_ms=held.vote_until_ms,
        effective_ms=held.effective_ms,
        approving=counted.approving,
        rejecting=counted.rejecting,
        total=counted.total,
        ballots=tuple(ballots),
    )


def places_of(genesis: Genesis, amendment: Amendment) -> tuple[PlaceView, ...]:
    """What an amendment of the terms changes, present and future values in JSON."""
    if not isinstance(amendment, TermsAmendment):
        return ()
    return tuple(
        PlaceView(path=each.path, present=present_json(genesis, each.path), after=after_json(each))
        for each in amendment.changes
    )


def _amendment(number: int, held: AmendmentHeld) -> AmendmentView:
    changes = held.amendment.changes if isinstance(held.amendment, TermsAmendment) else ()
    return AmendmentView(
        number=number,
        height=held.height,
        time_ms=held.time_ms,
        proposal=hexed(held.proposal),
        kind=kind_of(held.amendment),
        paths=tuple(each.path for each in changes),
        head=hexed(held.head),
    )
