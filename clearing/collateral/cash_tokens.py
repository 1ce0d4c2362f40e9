"""Cash tokens and the depeg guard: which tokens are cash at a state, and when a token leaves its cash group.

Rule: no token is 1.0 by definition; its own feed decides.

1. A token beyond its band is cleared only by an open price within the band.
2. After `blocks` consecutive blocks beyond the band it leaves its group.
3. Each positive claim then gives up floor(claim x inventory / sum of positive claims), in whole units of the new token.

The residue is the house's, and debts stay. Only governance brings a token back.
"""

from collections.abc import Iterator

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.base.units import PPM
from clearing.collateral.haircut_rates import chain_silence_ms
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
    """The asset of genesis in its present form: a departed cash token as the collateral that it became."""
    return (
        state.terms.collateral_after_leaving[asset.id]
        if asset.has_depeg_guard and has_left_cash_group(state, asset.id)
        else asset
    )


def current_assets(state: State) -> Iterator[Asset]:
    """All assets in their present form, ordered by id."""
    return (current_asset(state, asset) for asset in state.terms.assets.values())


def cash_tokens(state: State, group: int) -> tuple[Asset, ...]:
    """The tokens that back a cash group now, ordered by id."""
    return tuple(asset for asset in current_assets(state) if asset.cash_group == group)


def is_beyond_band(state: State, asset: int) -> bool:
    """Whether a cash token is beyond its band and has not left: meanwhile speed must not decide who gains or loses."""
    guard = state.depeg_guards.get(asset)
    return guard is not None and guard.blocks_outside_band > 0 and guard.left_height == 0


def is_cash_group_suspended(state: State, group: int) -> bool:
    """Whether any token of a cash group is beyond its band: meanwhile nothing is withdrawn from the group."""
    return any(is_beyond_band(state, asset.id) for asset in state.terms.assets.values() if asset.cash_group == group)


def check_pegs(context: BlockContext) -> None:
    """Check every cash token that has a guard and is in its group."""
    for asset in context.terms.assets.values():
        if asset.has_depeg_guard and not has_left_cash_group(context.state, asset.id):
            _check_peg(context, asset)


def _check_peg(context: BlockContext, asset: Asset) -> None:
    before = context.state.depeg_guards.get(asset.id) or DepegGuardRecord(0)
    ticks, status = _observed_price(context, asset)
    beyond = abs(ticks - asset.depeg.par_ticks) * PPM > asset.depeg.par_ticks * asset.depeg.band_ppm
    if status == FeedStatus.UNOPENED:
        blocks_outside = 0
    elif status == FeedStatus.STALE:
        # A missing price neither clears a token nor starts a count.
        blocks_outside = before.blocks_outside_band + 1 if before.blocks_outside_band else 0
    else:
        blocks_outside = before.blocks_outside_band + 1 if beyond else 0
    silence = chain_silence_ms(context.state, asset.chain_id)
    if blocks_outside >= asset.depeg.blocks or 0 < asset.depeg.halt_ms <= silence:
        leave_cash_group(context, asset, blocks_outside, silence)
        return
    if blocks_outside != before.blocks_outside_band:
        context.state.depeg_guards.put(asset.id, DepegGuardRecord(blocks_outside))
        if not blocks_outside or not before.blocks_outside_band:
            context.receipts.append(
                DepegGuardChanged(asset.id, asset.cash_group, blocks_outside, ticks, asset.depeg.par_ticks)
            )


def _observed_price(context: BlockContext, asset: Asset) -> tuple[int, FeedStatus]:
    """The token's present price; while its feed is halted for a jump, the price after the jump."""
    feed = context.state.feeds.get(asset.depeg.feed)
    if feed is None:
        return 0, FeedStatus.UNOPENED
    jumped = feed.status == FeedStatus.HALTED and feed.observed_ticks
    return (feed.observed_ticks if jumped else feed.ticks), feed.status


def conversion_shares(claims: list[int], inventory: int) -> list[int]:
    """What each positive claim gives up: floor(claim x inventory / sum of positive claims); 0 for debts."""
    positive = sum(claim for claim in claims if claim > 0)
    return [claim * inventory // positive if claim > 0 else 0 for claim in claims]


def leave_cash_group(context: BlockContext, asset: Asset, blocks_outside: int, silence_ms: int) -> None:
    """Convert the group's claims on this token into the token, and mark the accounts for a margin check."""
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
    convertible = inventory // scale * scale
    context.state.depeg_guards.put(asset.id, DepegGuardRecord(blocks_outside, context.block.height))
    shares = [share // scale for share in conversion_shares(claims, convertible)] if convertible else [0] * len(claims)
    shares[-1] = convertible // scale - sum(shares[:-1])
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
            blocks_outside_band=blocks_outside,
            silent_ms=silence_ms,
            inventory_micros=inventory,
            positive_claims_micros=positive,
            units=sum(shares),
            house_micros=given[-1],
            house_units=shares[-1],
        )
    )
