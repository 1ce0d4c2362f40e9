"""Cash tokens and the depeg guard: which tokens are cash at a state, and when a token leaves its cash group.

Rule: no token is 1.0 by decree; its own feed judges it. Beyond the band only an open price within it clears the
token; `blocks` later it leaves. Each positive claim then gives up floor(claim x inventory / sum of positive claims),
in whole units of what the token becomes. The residue is the house's, debts stay, and only governance brings a token
back.
"""

from collections.abc import Iterator

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.base.units import PPM
from clearing.collateral.haircuts import chain_silence_ms
from clearing.context.block_context import BlockContext
from clearing.schema.receipts.collateral import CashLeftGroup, ClaimConverted, DepegGuardChanged
from clearing.schema.records.collateral import DepegGuardRecord
from clearing.schema.records.prices import FeedStatus
from clearing.schema.terms.assets import Asset
from clearing.schema.transfers import TransferCode
from clearing.state.indexes import CURRENCY_HOLDERS, holders
from clearing.state.ledger import balance, cash_currency, external_account, inventory_units, is_claimant, token_currency
from clearing.state.state import State


def has_left_cash_group(state: State, asset: int) -> bool:
    """Whether a cash token has left its group."""
    guard = state.depeg_guards.get(asset)
    return guard is not None and guard.left_height != 0


def current_asset(state: State, asset: Asset) -> Asset:
    """The asset of genesis as it is now: a cash token that left, as the collateral that it became."""
    return (
        state.terms.collateral_after_leaving[asset.id]
        if asset.may_leave and has_left_cash_group(state, asset.id)
        else asset
    )


def current_assets(state: State) -> Iterator[Asset]:
    """All assets as they are now, ordered by id."""
    return (current_asset(state, asset) for asset in state.terms.assets.values())


def cash_tokens(state: State, group: int) -> tuple[Asset, ...]:
    """The tokens that back a cash group now, ordered by id."""
    return tuple(asset for asset in current_assets(state) if asset.cash_group == group)


def is_beyond_band(state: State, asset: int) -> bool:
    """Whether a cash token is beyond its band and has not left: nobody may gain or lose by being quick."""
    guard = state.depeg_guards.get(asset)
    return guard is not None and guard.blocks_outside_band > 0 and guard.left_height == 0


def is_cash_group_suspended(state: State, group: int) -> bool:
    """Whether any token of a cash group is beyond its band: nothing is withdrawn of the group meanwhile."""
    return any(is_beyond_band(state, asset.id) for asset in state.terms.assets.values() if asset.cash_group == group)


def check_pegs(context: BlockContext) -> None:
    """Judge every cash token that has a guard and is in its group."""
    for asset in context.terms.assets.values():
        if asset.may_leave and not has_left_cash_group(context.state, asset.id):
            _check_peg(context, asset)


def _check_peg(context: BlockContext, asset: Asset) -> None:
    before = context.state.depeg_guards.get(asset.id) or DepegGuardRecord(0)
    ticks, status = observed_price(context, asset)
    beyond = abs(ticks - asset.depeg.par_ticks) * PPM > asset.depeg.par_ticks * asset.depeg.band_ppm
    if status == FeedStatus.UNOPENED:
        out = 0
    elif status == FeedStatus.STALE:
        # No price clears nobody, and accuses nobody.
        out = before.blocks_outside_band + 1 if before.blocks_outside_band else 0
    else:
        out = before.blocks_outside_band + 1 if beyond else 0
    silence = chain_silence_ms(context.state, asset.chain_id)
    if out >= asset.depeg.blocks or 0 < asset.depeg.halt_ms <= silence:
        leave_cash_group(context, asset, out, silence)
        return
    if out != before.blocks_outside_band:
        context.state.depeg_guards.put(asset.id, DepegGuardRecord(out))
        if not out or not before.blocks_outside_band:
            context.receipts.append(DepegGuardChanged(asset.id, asset.cash_group, out, ticks, asset.depeg.par_ticks))


def observed_price(context: BlockContext, asset: Asset) -> tuple[int, FeedStatus]:
    """What the token's feed says now: while it is halted for a jump, the price that it jumped to."""
    feed = context.state.feeds.get(asset.depeg.feed)
    if feed is None:
        return 0, FeedStatus.UNOPENED
    jumped = feed.status == FeedStatus.HALTED and feed.observed_ticks
    return (feed.observed_ticks if jumped else feed.ticks), feed.status


def conversion_shares(claims: list[int], inventory: int) -> list[int]:
    """What each positive claim gives up: floor(claim x inventory / sum of positive claims); 0 for debts."""
    positive = sum(claim for claim in claims if claim > 0)
    return [claim * inventory // positive if claim > 0 else 0 for claim in claims]


def leave_cash_group(context: BlockContext, asset: Asset, out_blocks: int, silence_ms: int) -> None:
    """Turn the group's claims on this token into the token, and have everybody concerned looked at."""
    token = context.terms.collateral_after_leaving[asset.id]
    cash, scale = cash_currency(asset.cash_group), token.base_units // asset.base_units
    accounts = [
        holder
        for holder in holders(context.state, CURRENCY_HOLDERS, cash)
        if is_claimant(holder) and holder != HOUSE_ACCOUNT
    ]
    accounts.append(HOUSE_ACCOUNT)
    claims = [balance(context.state, account, cash) for account in accounts]
    positive = sum(claim for claim in claims if claim > 0)
    inventory = inventory_units(context.state, asset)
    left = inventory // scale * scale
    context.state.depeg_guards.put(asset.id, DepegGuardRecord(out_blocks, context.block.height))
    shares = [share // scale for share in conversion_shares(claims, left)] if left else [0] * len(claims)
    shares[-1] = left // scale - sum(shares[:-1])
    given = [units * scale for units in shares]
    given[-1] = inventory - sum(given[:-1])
    outside, becomes = external_account(asset.id), token_currency(token.id)
    for account, claim, units, micros in zip(accounts, claims, shares, given, strict=True):
        if not micros:
            continue
        context.journal.transfer(account, outside, cash, micros, TransferCode.CASH_LEFT_GROUP, asset.id)
        context.journal.transfer(outside, account, becomes, units, TransferCode.TOKEN_OF_LEFT_CASH, asset.id)
        context.receipts.append(ClaimConverted(account, asset.id, max(claim, 0), micros, units))
        context.touched_accounts.add(account)
    context.receipts.append(
        CashLeftGroup(
            asset=asset.id,
            cash_group=asset.cash_group,
            blocks_outside_band=out_blocks,
            silent_ms=silence_ms,
            inventory_micros=inventory,
            positive_claims_micros=positive,
            units=sum(shares),
            house_micros=given[-1],
            house_units=shares[-1],
        )
    )
