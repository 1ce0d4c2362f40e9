"""Answers about who stands in for whom: an account's affiliates, its standby member, and the clients of a standby."""

from typing import Annotated, Literal

from msgspec import Meta

from member.api.types import Body, Decimal, Id, Natural


class OwnerView(Body, frozen=True):
    """An owner: a member itself, or one of its clients."""

    member: Id
    client_key: Annotated[str, Meta(pattern="^(0x[0-9a-f]{40})?$")] = ""
    """The client's own key; empty for the member itself, and for a client without one."""
    client_account: Id = 0
    """Top account of a client without a key; 0: another owner."""


class AffiliateView(Body, frozen=True):
    """An owner that is affiliated with the account's owner, by one declaration or by the list of the terms."""

    owner: OwnerView
    listed: bool
    """Whether the terms list it; the heights are then 0."""
    from_height: Id = 0
    until_height: Id = 0
    """The first block in which it is over; 0: the house has not ended it."""
    in_force: bool = True
    """Whether it counts at the stated height."""


class AffiliatesView(Body, frozen=True):
    """The affiliates of one account's owner after the stated height, and what they do to its money and to the fund."""

    account: Id
    height: Id
    owner: OwnerView
    asked_by: Literal["member", "house"]
    """Whose trade key asked: the account's member's, or the house's."""
    next_nonce: Id
    affiliates: tuple[AffiliateView, ...] = ()
    """Direct ones, listed first, then in the order of owners. Affiliates of affiliates belong to the group too."""
    pooled: bool = False
    """Whether the rules put affiliates on their member's side in a default (`crisis.default.pool_affiliates`)."""
    netted: bool = False
    """Whether the fund's sizing counts affiliates together (`crisis.fund.net_affiliates`)."""
    on_members_side: bool = False
    """Whether a default of its member merges the account into the estate."""
    stays_for_members: tuple[Id, ...] = ()
    """Members for whose shortfalls the account must leave money when it pays out."""
    member_short_micros: Natural = "0"
    """What its member's other accounts on that side lack to initial margin where they are below maintenance."""
    stress_micros: Natural = "0"
    """The member's largest shortfall in a stress scenario, as the fund's sizing counts it now."""
    stress_apart_micros: Natural = "0"
    """The same if every account fell by itself."""
    fund_exposure_micros: Natural = "0"
    """What the last sizing of the fund counted for the member."""
    fund_required_micros: Natural = "0"
    """The member's required contribution."""


class StandbyView(Body, frozen=True):
    """The standby member of one client's account after the stated height, and whether the client could be ported."""

    account: Id
    height: Id
    asked_by: Literal["member", "house"]
    next_nonce: Id
    enabled: bool
    """Whether the rules port clients to their standby members (`crisis.default.standby_porting`)."""
    standby: Id = 0
    """The member; 0: none."""
    standby_active: bool = False
    """Whether the member may act now; only then it takes the client."""
    equity_micros: Decimal = "0"
    needed_micros: Natural = "0"
    """The margin that porting needs: initial margin, or maintenance margin where the rules say so."""
    covered: bool = False
    """Whether the account and its sub-accounts cover that margin and owe no cash."""


class StandbyClient(Body, frozen=True):
    """A client that named the member that asks as its standby."""

    account: Id
    member: Id
    """The client's member."""
    next_nonce: Id


class StandbyClientsView(Body, frozen=True):
    """The clients of other members that the member that asks agreed to take over, by account."""

    member: Id
    height: Id
    count: Id
    """Of all; as many as fit are listed."""
    clients: Annotated[tuple[StandbyClient, ...], Meta(max_length=1_000)] = ()
