"""The depeg guard: a cash token that is no longer worth its par, or whose chain stands still, leaves its group.

Rule: no token is 1.0 by decree; its own feed judges it. Once beyond the band, only an open price within it clears the
token; `blocks` later it leaves: each positive claim gives up floor(claim x inventory / sum of positive claims), in
whole units of what the token becomes, for that much of the token. The residue is the house's, debts stay, and every
currency and every reserve stays whole. There is no way back but by governance.
"""

from clearing.assets import Asset
from clearing.base.ids import HOUSE_ACCOUNT
from clearing.base.units import PPM
from clearing.collateral.listing import has_left
from clearing.collateral.receipts import CashLeftGroup, ClaimConverted, GuardChanged
from clearing.collateral.silence import silent_ms
from clearing.ledger import balance, cash_currency, external_account, held, is_claimant, token_currency
from clearing.prices.receipts import FeedStatus
from clearing.run import Run
from clearing.state.indexes import CURRENCY, holders
from clearing.state.records import Guard
from clearing.transfers import TransferCode


def guard_cash(run: Run) -> None:
    """Judge every cash token that has a guard and is in its group."""
    for asset in run.terms.assets.values():
        if asset.may_leave and not has_left(run.state, asset.id):
            _judge(run, asset)


def _judge(run: Run, asset: Asset) -> None:
    before = run.state.guards.get(asset.id) or Guard(0)
    ticks, status = seen_price(run, asset)
    beyond = abs(ticks - asset.depeg.par_ticks) * PPM > asset.depeg.par_ticks * asset.depeg.band_ppm
    if status == FeedStatus.UNOPENED:
        out = 0
    elif status == FeedStatus.STALE:
        # No price clears nobody, and accuses nobody.
        out = before.out_blocks + 1 if before.out_blocks else 0
    else:
        out = before.out_blocks + 1 if beyond else 0
    silence = silent_ms(run.state, asset.chain_id)
    if out >= asset.depeg.blocks or 0 < asset.depeg.halt_ms <= silence:
        leave(run, asset, out, silence)
        return
    if out != before.out_blocks:
        run.state.guards.put(asset.id, Guard(out))
        if not out or not before.out_blocks:
            run.receipts.append(GuardChanged(asset.id, asset.cash_group, out, ticks, asset.depeg.par_ticks))


def seen_price(run: Run, asset: Asset) -> tuple[int, FeedStatus]:
    """What the token's feed says now: while it is halted for a jump, the price that it jumped to."""
    feed = run.state.feeds.get(asset.depeg.feed)
    if feed is None:
        return 0, FeedStatus.UNOPENED
    jumped = feed.status == FeedStatus.HALTED and feed.seen_ticks
    return (feed.seen_ticks if jumped else feed.ticks), feed.status


def shares_of(claims: list[int], inventory: int) -> list[int]:
    """What each positive claim gives up: floor(claim x inventory / sum of positive claims); 0 for debts."""
    positive = sum(claim for claim in claims if claim > 0)
    return [claim * inventory // positive if claim > 0 else 0 for claim in claims]


def leave(run: Run, asset: Asset, out_blocks: int, silence_ms: int) -> None:
    """Turn the group's claims on this token into the token, and have everybody concerned looked at."""
    token = run.terms.collateral_of[asset.id]
    cash, scale = cash_currency(asset.cash_group), token.base_units // asset.base_units
    accounts = [each for each in holders(run.state, CURRENCY, cash) if is_claimant(each) and each != HOUSE_ACCOUNT]
    accounts.append(HOUSE_ACCOUNT)
    claims = [balance(run.state, account, cash) for account in accounts]
    positive = sum(claim for claim in claims if claim > 0)
    inventory = held(run.state, asset)
    left = inventory // scale * scale
    run.state.guards.put(asset.id, Guard(out_blocks, run.block.height))
    shares = [share // scale for share in shares_of(claims, left)] if left else [0] * len(claims)
    shares[-1] = left // scale - sum(shares[:-1])
    given = [units * scale for units in shares]
    given[-1] = inventory - sum(given[:-1])
    outside, becomes = external_account(asset.id), token_currency(token.id)
    for account, claim, units, micros in zip(accounts, claims, shares, given, strict=True):
        if not micros:
            continue
        run.journal.transfer(account, outside, cash, micros, TransferCode.CASH_LEFT_GROUP, asset.id)
        run.journal.transfer(outside, account, becomes, units, TransferCode.TOKEN_OF_LEFT_CASH, asset.id)
        run.receipts.append(ClaimConverted(account, asset.id, max(claim, 0), micros, units))
        run.touched.add(account)
    run.receipts.append(
        CashLeftGroup(
            asset=asset.id,
            cash_group=asset.cash_group,
            out_blocks=out_blocks,
            silent_ms=silence_ms,
            inventory_micros=inventory,
            positive_claims_micros=positive,
            units=sum(shares),
            house_micros=given[-1],
            house_units=shares[-1],
        )
    )
