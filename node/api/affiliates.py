"""Affiliates and standby members of an own account, and the clients of a standby member.

Rule: an account's member asks, and the house, which declares and ends affiliations. Only direct affiliates are shown:
who else is in the group is theirs to know. Nothing here changes the state.
"""

from typing import Literal

from clearing.base.ids import HOUSE_MEMBER
from clearing.context.affiliation import ITSELF, Owner, OwnerFamilies, is_in_force, owner_of
from clearing.context.member_status import member_status
from clearing.default.porting_margin import covers_porting_margin
from clearing.default_fund.sizing import member_shortfalls
from clearing.schema.records.default import MemberStatus
from clearing.schema.terms.genesis import AccountKind
from clearing.state.effective_parameters import current_rulebook
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin, margin_book
from clearing.state.indexes import MEMBER_ACCOUNTS, holders
from clearing.state.state import State
from member.api.affiliates import (
    AffiliatesView,
    AffiliateView,
    OwnerView,
    StandbyClient,
    StandbyClientsView,
    StandbyView,
)
from member.api.types import hexed
from member.codes import NodeCode
from node.api.calls import ACCOUNT, ApiCall, ApiRefusal, Routes, member_of
from node.api.calls import owner_of as key_of_member

LISTED_MAX = 1_000
AskedBy = Literal["member", "house"]
routes = Routes()


@routes.get("/v1/accounts/{account}/affiliates", ACCOUNT, signed=True, refusals=(403,))
def affiliates(call: ApiCall) -> AffiliatesView:
    """Affiliates of an own account's owner, what they do to its money, and what the default fund counts for them."""
    account, asked_by = _account_and_asker(call)
    return affiliates_of(call.state, account, asked_by)


@routes.get("/v1/accounts/{account}/standby", ACCOUNT, signed=True, refusals=(403,))
def standby(call: ApiCall) -> StandbyView:
    """The standby member of an own client's account, and whether the client covers the margin that porting needs."""
    account, asked_by = _account_and_asker(call)
    return standby_of(call.state, account, asked_by)


@routes.get("/v1/standby-clients", signed=True, refusals=(403,))
def standby_clients(call: ApiCall) -> StandbyClientsView:
    """Clients of other members that named the member that signs as their standby."""
    member = member_of(call.state, call.signer)
    if member is None:
        raise ApiRefusal(403, NodeCode.API_FORBIDDEN, "signer")
    return standby_clients_of(call.state, member)


def _account_and_asker(call: ApiCall) -> tuple[int, AskedBy]:
    """The account that the request names, and who asks. Raises ApiRefusal 403, also for an unknown account."""
    state, wanted = call.state, int(call.parameters["account"])
    if key_of_member(state, wanted) == call.signer:
        return wanted, "member"
    if wanted in state.accounts and state.members[HOUSE_MEMBER].trade_address == call.signer:
        return wanted, "house"
    raise ApiRefusal(403, NodeCode.API_FORBIDDEN, "account", account=wanted)


def affiliates_of(state: State, account: int, asked_by: AskedBy) -> AffiliatesView:
    """Of a known account."""
    owner, families, record = owner_of(state, account), OwnerFamilies(state), state.accounts[account]
    pooled = state.terms.crisis.default.pool_affiliates
    own_side = record.kind is not AccountKind.CLIENT
    on_side = own_side or (pooled and families.is_on_members_side(account))
    stays_for = families.backed_members(account) if pooled else {record.member} if own_side else set()
    contribution = state.contributions.get(record.member)
    together, apart = _stress(state, record.member) if on_side else (0, 0)
    return AffiliatesView(
        account=account,
        height=state.now.height,
        owner=_owner_view(owner),
        asked_by=asked_by,
        next_nonce=_next_nonce(state, account),
        affiliates=(*_listed(state, owner), *_declared(state, owner)),
        pooled=pooled,
        netted=state.terms.crisis.fund.net_affiliates,
        on_members_side=on_side,
        stays_for_members=tuple(sorted(stays_for - {HOUSE_MEMBER})),
        member_short_micros=str(_short_of_side(state, families, account) if on_side else 0),
        stress_micros=str(together),
        stress_apart_micros=str(apart),
        fund_exposure_micros=str(contribution.exposure if contribution and on_side else 0),
        fund_required_micros=str(contribution.required if contribution and on_side else 0),
    )


def _owner_view(owner: Owner) -> OwnerView:
    if owner.client == ITSELF:
        return OwnerView(member=owner.member)
    if any(owner.client[:12]):
        return OwnerView(member=owner.member, client_key=hexed(owner.client))
    return OwnerView(member=owner.member, client_account=int.from_bytes(owner.client, "big"))


def _declared(state: State, owner: Owner) -> list[AffiliateView]:
    found = []
    for pair, record in state.affiliations.ordered():
        one, other = Owner(*pair[:2]), Owner(*pair[2:])
        if owner in (one, other):
            found.append(
                AffiliateView(
                    owner=_owner_view(other if owner == one else one),
                    listed=False,
                    from_height=record.from_height,
                    until_height=record.until_height,
                    in_force=is_in_force(record, state.now.height),
                )
            )
    return found


def _listed(state: State, owner: Owner) -> list[AffiliateView]:
    found: set[Owner] = set()
    for member, clients, members in state.terms.listed_affiliates:
        itself = Owner(member, ITSELF)
        others = {owner_of(state, each) for each in clients if each in state.accounts}
        others |= {Owner(each, ITSELF) for each in members}
        found |= others if owner == itself else {itself} if owner in others else set()
    return [AffiliateView(owner=_owner_view(each), listed=True) for each in sorted(found - {owner})]


def _short_of_side(state: State, families: OwnerFamilies, account: int) -> int:
    """What the other accounts on the member's side lack to initial margin where they are below maintenance margin."""
    arrays, pooled, short = current_arrays(state), state.terms.crisis.default.pool_affiliates, 0
    for other in holders(state, MEMBER_ACCOUNTS, state.accounts[account].member):
        own_side = state.accounts[other].kind is not AccountKind.CLIENT
        if other != account and (own_side or (pooled and families.is_on_members_side(other))):
            margin = holdings_margin(arrays, current_holdings(state, other))
            short += 0 if margin.maintenance_ok else margin.initial - margin.equity
    return short


def _stress(state: State, member: int) -> tuple[int, int]:
    """The member's largest shortfall in a scenario: as the sizing counts it, and with each account by itself."""
    fund, stress, book = state.terms.crisis.fund, current_rulebook(state).stress(), margin_book(state)
    accounts = [each for each in holders(state, MEMBER_ACCOUNTS, member) if each in book]
    if not accounts:
        return 0, 0
    group = fund.cash_group if fund.enabled else 0
    together, apart = (
        max(member_shortfalls(state, stress, accounts, group, apart=apart).get(member, []), default=0)
        for apart in (False, True)
    )
    return together, apart


def _next_nonce(state: State, account: int) -> int:
    nonce = state.nonces.get(account)
    return nonce.nonce + 1 if nonce else 1


def standby_of(state: State, account: int, asked_by: AskedBy) -> StandbyView:
    """Of a known account; one that is no client's has none."""
    record, terms = state.standbys.get(account), state.terms.crisis.default
    named = record.standby if record else 0
    margin = holdings_margin(current_arrays(state), current_holdings(state, account))
    return StandbyView(
        account=account,
        height=state.now.height,
        asked_by=asked_by,
        next_nonce=_next_nonce(state, account),
        enabled=terms.standby_porting,
        standby=named,
        standby_active=named in state.members and member_status(state, named) is MemberStatus.ACTIVE,
        equity_micros=str(margin.equity),
        needed_micros=str(margin.maintenance if terms.porting_at_maintenance else margin.initial),
        covered=all(covers_porting_margin(state, each) for each in (account, *state.accounts[account].children)),
    )


def standby_clients_of(state: State, member: int) -> StandbyClientsView:
    """Linear in the declarations."""
    found = [account for account, record in state.standbys.ordered() if record.standby == member]
    return StandbyClientsView(
        member=member,
        height=state.now.height,
        count=len(found),
        clients=tuple(
            StandbyClient(account=each, member=state.accounts[each].member, next_nonce=_next_nonce(state, each))
            for each in found[:LISTED_MAX]
        ),
    )
