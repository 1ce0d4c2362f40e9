"""The duty to bid: members of a stated size must bid for their share of a defaulter's portfolio, or bear loss first.

Rule: a member has the duty where its part of all required contributions reaches a stated fraction, its share is a slice
or more, and it is able to act: it is active, and has an account of its own that is not restricted. It fulfils the duty
where it asks no more than the reserve, and has taken its share or can margin all that it bid for, which is its share at
least. Growth of its stress exposure that the fund is not made for is no failure. A member of any size that commits to a
bid and does not reveal it is charged like one that fails its duty.

A charge is a stated fraction of the required contribution, rounded up, and never more than the contribution. It bears
the loss before any other survivor does, after the defaulter and the house. Without a loss it costs nothing: it must not
enrich a defaulter. This module must not know how bids are filled.
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from clearing.base.units import PPM, mul_div_up
from clearing.context.block_context import BlockContext
from clearing.context.member_status import is_restricted, member_status, own_accounts_by_member
from clearing.default.waterfall import Survivor
from clearing.default_fund.contributions import contribution_micros
from clearing.schema.receipts.default import BiddersRanked
from clearing.schema.records.default import DefaultBidRecord, DefaultRecord, MemberStatus


class AuctionOutcome(NamedTuple):
    """What an auction says about duty, by member."""

    bids: Mapping[int, DefaultBidRecord]
    """Bids that are readable."""
    filled: Mapping[int, int]
    """Slices taken."""
    unrevealed: tuple[int, ...]
    """Members whose commitment was not revealed, ordered."""


def absence_charges(
    context: BlockContext, ranked: BiddersRanked, outcome: AuctionOutcome
) -> tuple[tuple[int, int], ...]:
    """(member, micros) of every survivor that is charged, ordered. Linear in the accounts where there is a duty."""
    terms, required = context.terms.crisis.default, dict(ranked.required)
    if not terms.auction_absence_ppm:
        return ()
    whole = sum(required.values())
    able = own_accounts_by_member(context.state) if terms.auction_duty_ppm else {}
    charges = []
    for member, share, *_ in ranked.members:
        is_large = terms.auction_duty_ppm and required[member] * PPM >= terms.auction_duty_ppm * whole
        is_free = any(not is_restricted(context.state, account) for account in able.get(member, ()))
        is_able = is_free and member_status(context.state, member) is MemberStatus.ACTIVE
        fails = is_large and is_able and share and not _fulfils_duty(ranked, outcome, member, share)
        charge = min(
            mul_div_up(required[member], terms.auction_absence_ppm, PPM), contribution_micros(context.state, member)
        )
        if charge and (fails or member in outcome.unrevealed):
            charges.append((member, charge))
    return tuple(charges)


def _fulfils_duty(ranked: BiddersRanked, outcome: AuctionOutcome, member: int, share: int) -> bool:
    bid = outcome.bids.get(member)
    if bid is None or bid.ask_micros > ranked.reserve_ask:
        return False
    return outcome.filled.get(member, 0) >= share or (
        bid.slices >= share and member in (*ranked.carried, *ranked.uncovered)
    )


def charged_first(default: DefaultRecord, survivors: tuple[Survivor, ...]) -> tuple[Survivor, ...]:
    """The payers of the survivors' layer, where what members are charged pays before everything else.

    A charged member is listed twice: with its charge, and with the rest of its contribution at its rank.
    """
    charges = dict(default.absence_charges)
    if not charges:
        return survivors
    payers: list[Survivor] = []
    for survivor in survivors:
        charge = min(charges.get(survivor.member, 0), survivor.contribution)
        if charge:
            payers.append(Survivor(survivor.member, charge, required=0))
        payers.append(
            msgspec.structs.replace(
                survivor, contribution=survivor.contribution - charge, seniority=survivor.seniority + 1
            )
        )
    return tuple(payers)


def used_by_member(parts: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """(member, micros) of contributions used, each member once, ordered."""
    sums: dict[int, int] = {}
    for member, micros in parts:
        sums[member] = sums.get(member, 0) + micros
    return tuple(sorted(sums.items()))
