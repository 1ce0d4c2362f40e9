"""Governance: proposals, amendments, halts, and what a proposal would do to own accounts."""

from collections.abc import Collection

from starlette.responses import Response

from clearing.base.codec import encode
from clearing.base.errors import Rejected
from clearing.base.protocol import RELEASE_VERSIONS
from clearing.genesis.json import genesis_to_json
from clearing.governance.certified_amendments import certify_amendments, write_amendments
from clearing.governance.dry_run import AccountStanding, AmendmentEffect, amendment_impact
from clearing.governance.shown_protocol import show_protocol
from clearing.governance.upgrades import UPGRADE_NOTICE_BLOCKS
from clearing.governance.votes import tally_votes, voting_set
from clearing.schema.records.governance import AmendmentRecord, GovernanceCounters, ProposalRecord, ProposalStage
from clearing.schema.requests.governance import Amendment, TermsAmendment
from clearing.schema.terms.genesis import Genesis
from clearing.state.ledger import can_hold
from clearing.state.protocol_version import protocol_of
from clearing.state.state import State
from clearing.withdrawals.guardian_orders import newest_guardian_orders
from consensus.light_client import LightBlock
from member.api.governance import (
    AccountEffectView,
    AccountStandingView,
    AmendmentView,
    BallotView,
    EffectView,
    GovernanceView,
    GuardianOrderView,
    HaltView,
    PlaceView,
    ProposalView,
    ProtocolView,
    StruckView,
)
from member.api.types import hexed
from member.signing.governance import after_json, kind_of, present_json
from node.api.calls import JSON, NUMBER, OCTETS, ApiCall, Parameter, Routes, Turnstile, check_wait, known, member_of

routes = Routes()
AMENDMENTS_SHOWN = 100
EFFECT_EVERY_S = 1.0
_turnstile = Turnstile(EFFECT_EVERY_S)
_written: list[tuple[Genesis, bytes]] = []
"""The newest terms that were asked for, and their JSON."""


@routes.get("/v1/governance")
def governance(call: ApiCall) -> GovernanceView:
    """Proposals under way with their votes, amendments that took effect, halts, detached vaults, and the newest order
    to each vault."""
    return governance_of(call.state)


@routes.get("/v1/governance/terms")
def terms(call: ApiCall) -> Response:
    """The terms in force: genesis.json as amended."""
    # Written once for each terms: they may be long, and the route is public.
    genesis = call.state.terms.genesis
    if not _written or _written[0][0] is not genesis:
        _written[:] = [(genesis, genesis_to_json(genesis))]
    return Response(_written[0][1], media_type=JSON)


@routes.get("/v1/governance/amendments", media=OCTETS, refusals=(404,))
def amendments(call: ApiCall) -> Response:
    """All amendments, with a certificate that none is missing, for `crossclear verify --amendments`."""
    file = amendments_file(call.state, call.view.light_block(None))
    return Response(known(file, "amendments", why="nothing was ever proposed"), media_type=OCTETS)


@routes.get("/v1/governance/protocol", media=OCTETS, refusals=(404,))
def protocol(call: ApiCall) -> Response:
    """The protocol version and the scheduled upgrade, with an opening against the header of the newest height, for
    `crossclear light protocol`."""
    file = show_protocol(call.state)
    return Response(known(file, "protocol", why="no upgrade was ever scheduled"), media_type=OCTETS)


@routes.get(
    "/v1/governance/proposals/{number}/effect",
    Parameter("number", "path", NUMBER, "number of the proposal"),
    signed=True,
    refusals=(404,),
)
def effect(call: ApiCall) -> EffectView:
    """The effect of a proposal on the margins of own accounts, if it were enacted at this height."""
    check_wait(_turnstile.wait_ms(), "effect")
    number = call.parameters["number"]
    return known(_effect_on_member(call.state, int(number), call.signer), "proposal", number=number)


def governance_of(state: State) -> GovernanceView:
    """Proposals under way, amendments, halts, detached vaults, orders to vaults."""
    terms, clock = state.terms.genesis.crisis.governance, state.governance_counters.get(0) or GovernanceCounters()
    newest = range(max(clock.amendments - AMENDMENTS_SHOWN, 0) + 1, clock.amendments + 1)
    proposals = [(key, record) for key, record in state.proposals.ordered() if record.stage is not ProposalStage.CLOSED]
    return GovernanceView(
        network=hexed(state.terms.network),
        height=state.now.height,
        time_ms=state.now.time_ms,
        enabled=terms.enabled,
        vote_ms=terms.vote_ms,
        timelock_ms=terms.timelock_ms,
        timelock_floor_ms=terms.timelock_floor_ms,
        proposals=tuple(
            _proposal(state, key, record) for key, record in sorted(proposals, key=lambda proposal: proposal[1].number)
        ),
        amendments_count=clock.amendments,
        amendments=tuple(_amendment(number, state.amendments[number]) for number in newest),
        head=hexed(clock.chain_head),
        halts=tuple(
            HaltView(instrument=instrument, until_height=halt.until_height, halts=halt.number)
            for instrument, halt in state.halts.ordered()
        ),
        struck=tuple(
            StruckView(chain_id=chain_id, vault=hexed(vault), height=detached.height)
            for (chain_id, vault), detached in state.detached_vaults.ordered()
        ),
        orders=tuple(
            GuardianOrderView(
                nonce=nonce,
                chain_id=order.chain_id,
                vault=hexed(order.vault),
                guardian=hexed(order.guardian),
                height=order.height,
            )
            for _, (nonce, order) in sorted(newest_guardian_orders(state).items())
        ),
        protocol=protocol_view(state),
    )


def protocol_view(state: State) -> ProtocolView:
    """The protocol version in force and the scheduled one."""
    record = protocol_of(state)
    return ProtocolView(
        version=record.version,
        since_height=record.since_height,
        next_version=record.next_version,
        next_height=record.next_height,
        frozen_above=max(record.next_height - UPGRADE_NOTICE_BLOCKS, 0),
        release=str(RELEASE_VERSIONS),
    )


def proposal_numbered(state: State, number: int) -> Amendment | None:
    """What proposal `number` would change; None when it is not under way."""
    found = (
        proposal_record.amendment
        for _, proposal_record in state.proposals.ordered()
        if proposal_record.number == number
    )
    return next(found, None)


def amendments_file(state: State, block: LightBlock | None) -> bytes | None:
    """All amendments, certified by this block; None before anything was proposed, or while the state is another's."""
    if block is None or state.governance_counters.get(0) is None or block.header.module_roots != state.module_roots():
        return None
    return write_amendments(certify_amendments(state, block.header, block.certificate, block.validators))


def _effect_on_member(state: State, number: int, address: bytes) -> EffectView | None:
    """What a proposal would do to all accounts of the member with this key; None when it is not under way."""
    amendment, member = proposal_numbered(state, number), member_of(state, address)
    if amendment is None or member is None:
        return None
    accounts = [account for account, record in state.accounts.ordered() if record.member == member]
    return _effect_of(state, number, amendment, [account for account in accounts if can_hold(state, account)])


def _effect_of(state: State, number: int, amendment: Amendment, accounts: Collection[int]) -> EffectView:
    """What it would do to these accounts now."""
    found = amendment_impact(state, amendment, accounts)
    if isinstance(found, Rejected):
        return EffectView(proposal=number, height=state.now.height, refusal=str(found), accounts=())
    return EffectView(
        proposal=number,
        height=found.height,
        refusal="",
        accounts=tuple(_effect_view(account) for account in found.accounts),
    )


def _effect_view(effect: AmendmentEffect) -> AccountEffectView:
    """One account."""
    return AccountEffectView(
        account=effect.account, before=_standing_view(effect.before), after=_standing_view(effect.after)
    )


def _standing_view(standing: AccountStanding) -> AccountStandingView:
    return AccountStandingView(
        equity=str(standing.equity),
        initial=str(standing.initial),
        maintenance=str(standing.maintenance),
        called=not standing.initial_ok,
        liquidated=not standing.maintenance_ok,
    )


def _proposal(state: State, key: bytes, proposal_record: ProposalRecord) -> ProposalView:
    counted, amendment = tally_votes(state, proposal_record.number), proposal_record.amendment
    powers = {validator.envelope_key: validator.power for validator in voting_set(state).validators}
    ballots = [
        BallotView(envelope_key=hexed(voter), approve=vote.approve, revision=vote.revision, power=powers.get(voter, 0))
        for (number, voter), vote in state.votes.ordered()
        if number == proposal_record.number
    ]
    return ProposalView(
        number=proposal_record.number,
        hash=hexed(key),
        kind=kind_of(amendment) if amendment is not None else "",
        amendment="0x" + (encode(amendment).hex() if amendment is not None else ""),
        places=places_of(state.terms.genesis, amendment) if amendment is not None else (),
        reason=proposal_record.reason,
        proposer=hexed(proposal_record.proposer) if any(proposal_record.proposer) else "house",
        seat=proposal_record.seat,
        not_after_ms=proposal_record.not_after_ms,
        agreed=proposal_record.stage is ProposalStage.AGREED,
        made_at=proposal_record.proposed_height,
        vote_until_ms=proposal_record.vote_until_ms,
        effective_ms=proposal_record.effective_ms,
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
        PlaceView(path=change.path, present=present_json(genesis, change.path), after=after_json(change))
        for change in amendment.changes
    )


def _amendment(number: int, amendment_record: AmendmentRecord) -> AmendmentView:
    changes = amendment_record.amendment.changes if isinstance(amendment_record.amendment, TermsAmendment) else ()
    return AmendmentView(
        number=number,
        height=amendment_record.height,
        time_ms=amendment_record.time_ms,
        proposal=hexed(amendment_record.proposal),
        kind=kind_of(amendment_record.amendment),
        paths=tuple(change.path for change in changes),
        head=hexed(amendment_record.chain_head),
    )
