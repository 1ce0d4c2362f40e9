"""Listing: what the state must allow for an amendment of the terms, and the records of new listings.

Rule: a new instrument, asset, chain, feed or member gets the records that genesis would have given it; the terms
themselves are checked as those of a genesis are (`clearing.genesis.checks`, `clearing.governance.bounds`). Observed
moves are reordered when risk groups or the window change: a group keeps its history, a new one starts empty.
"""

import msgspec

from clearing.base.errors import Rejected
from clearing.base.ids import FUND_ACCOUNT, HOUSE_ACCOUNT
from clearing.base.units import PPM
from clearing.collateral.cash_tokens import current_asset
from clearing.context.unresolved_losses import defaults_under_way
from clearing.governance.bounds import limits_outflow
from clearing.prices.surface_medians import bounded_quotes, is_within_bounds
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.records.accounts import Account, AccrualRecord, Member, MemberAccounts
from clearing.schema.records.collateral import DepositCursorRecord
from clearing.schema.records.prices import FeedState, FeedStatus, GroupMove, MovesRecord
from clearing.schema.records.surfaces import SurfaceState
from clearing.schema.risk.live_surface import living_quotes
from clearing.schema.risk.parameters import RiskGroup
from clearing.schema.risk.price_ranges import RangeParameters
from clearing.schema.terms.assets import Asset
from clearing.schema.terms.genesis import AccountKind, Genesis, MemberTerms
from clearing.schema.terms.surfaces import SurfaceTerms
from clearing.state.asset_flows import take_unlisted_flow
from clearing.state.indexes import CURRENCY_HOLDERS, INSTRUMENT_HOLDERS, MEMBER_ACCOUNTS, holders, set_holder
from clearing.state.ledger import FEE_POT_ACCOUNT, currency_of, inventory_units
from clearing.state.state import State
from clearing.validators.chain_attestations import is_detached

AT = "amendment"


def check_listing_change(state: State, before: Genesis, after: Genesis) -> Rejected | None:
    """Whether the state allows the removals and additions."""
    return (
        _check_instruments(state, before, after)
        or _check_assets(state, before, after)
        or _check_feeds(state, before, after)
        or _check_withdrawal_limits(state, before, after)
        or _check_order(before, after)
        or _check_members(state, before, after)
        or _check_surfaces(state, after)
    )


def _check_surfaces(state: State, after: Genesis) -> Rejected | None:
    """A live surface that is in force ends with its ladder, not by a vote: another one at once would move marks."""
    live, groups = {terms.group for terms in after.surfaces}, {group.id for group in after.risk.groups}
    for group, agreed in state.surfaces.ordered():
        if agreed.in_force and group in groups - live:
            return _refusal("surfaces", group, "its agreed surface is in force")
    return None


def _check_instruments(state: State, before: Genesis, after: Genesis) -> Rejected | None:
    old, new = ({instrument.id: instrument for instrument in genesis.instruments} for genesis in (before, after))
    for instrument_id in sorted(new.keys() - old.keys()):
        if new[instrument_id].expired(state.now.time_ms):
            return _refusal("instruments", instrument_id, "it has expired")
    waiting = {pending.instrument for _, pending in state.pending_trades.ordered()}
    ordered = {instrument for (instrument, _), _ in state.auction_orders.ordered()}
    # The records of losses and gains name instruments, too.
    counted = any(True for _ in state.gains_windows.ordered()) or bool(defaults_under_way(state))
    for instrument_id in sorted(old.keys() - new.keys()):
        if counted:
            return _refusal("instruments", instrument_id, "gains and losses in it are being counted")
        if holders(state, INSTRUMENT_HOLDERS, instrument_id) or instrument_id in waiting or instrument_id in ordered:
            return _refusal("instruments", instrument_id, "accounts have positions, pending trades or orders in it")
    return None


def _check_assets(state: State, before: Genesis, after: Genesis) -> Rejected | None:
    old, new = ({asset.id: asset for asset in genesis.assets} for genesis in (before, after))
    for asset_id in sorted(old.keys() - new.keys()):
        flow = state.asset_flows.get(asset_id)
        moved = flow is not None and any((*flow.deposited_amount, *flow.released_amount))
        if moved or _outstanding_units(state, old[asset_id]):
            return _refusal("assets", asset_id, "the ledger has entries in it")
    for asset_id, asset in sorted(new.items()):
        # Nothing is observed or paid there any more: a new token could never be proven, and would block every epoch.
        if is_detached(state, asset.chain_id, asset.vault) and asset != old.get(asset_id):
            return _refusal("assets", asset_id, "its vault is detached")
    for asset_id in sorted(old.keys() & new.keys()):
        guard = state.depeg_guards.get(asset_id)
        departed = guard is not None and guard.left_height > 0
        if old[asset_id].has_depeg_guard != new[asset_id].has_depeg_guard and (
            departed or old[asset_id].has_depeg_guard
        ):
            return _refusal("assets", asset_id, "its depeg guard cannot be changed")
    return None


def _outstanding_units(state: State, asset: Asset) -> bool:
    token = asset.as_collateral if asset.has_depeg_guard else asset
    return not token.is_cash and bool(holders(state, CURRENCY_HOLDERS, currency_of(token)))


def _check_feeds(state: State, before: Genesis, after: Genesis) -> Rejected | None:
    """A removed feed must not price any asset."""
    del state
    removed = {feed.id for feed in before.feeds} - {feed.id for feed in after.feeds}
    for asset in after.assets:
        for feed in (asset.feed, asset.yields.feed, asset.depeg.feed):
            if feed in removed:
                return _refusal("feeds", feed, "an asset is priced by it")
    return None


def _check_withdrawal_limits(state: State, before: Genesis, after: Genesis) -> Rejected | None:
    """A limit must also let existing holdings out: a vote may set a cap below them, and the limit afterwards."""
    old = {gate.asset: gate for gate in before.crisis.gates.assets}
    listed = {asset.id: asset for asset in before.assets}
    for gate in after.crisis.gates.assets:
        asset = listed.get(gate.asset)
        if asset is None or gate == old.get(gate.asset):
            continue
        # Limits are in the units of genesis, also for a token that left its group and has coarser units.
        now = current_asset(state, asset)
        units = inventory_units(state, now) * (now.base_units // asset.base_units)
        for field, limit, good in limits_outflow(gate, units):
            if not good:
                return reject(
                    ClearingCode.AMENDMENT_REFUSED,
                    f"bounds.crisis.gates.assets.{gate.asset}.{field}",
                    value=limit,
                    held=units,
                )
    return None


def _check_order(before: Genesis, after: Genesis) -> Rejected | None:
    """Data in the risk groups' order must change with a change of the groups: otherwise it would mean other groups."""
    groups = [[group.id for group in genesis.risk.groups] for genesis in (before, after)]
    if groups[0] == groups[1][: len(groups[0])]:
        return None
    for path, was, now in (
        ("risk.stress", before.risk.stress, after.risk.stress),
        ("risk.joint.scenarios", before.risk.joint.scenarios, after.risk.joint.scenarios),
        ("risk.history.scenarios", before.risk.history.scenarios, after.risk.history.scenarios),
    ):
        if now and now == was:
            why = "it is in the order of other risk groups"
            return reject(ClearingCode.AMENDMENT_REFUSED, AT, path=path, why=why)
    return None


def _check_members(state: State, before: Genesis, after: Genesis) -> Rejected | None:
    known = {account.id for member in before.members for account in member.accounts}
    old = {member.id: member.trade_address for member in before.members}
    for member in after.members:
        if not any(member.trade_address) and old.get(member.id) != member.trade_address:
            return _refusal("members", member.id, "its key is zero")
        if member.id not in old and member.id in state.members:
            return _refusal("members", member.id, "a member with this id exists")
        for account in member.accounts:
            if account.id not in known and (account.id in state.accounts or account.kind not in AccountKind):
                return _refusal(f"members.{member.id}.accounts", account.id, "an account with this id exists")
            if account.id not in known and any(account.key) and account.kind is not AccountKind.CLIENT:
                return _refusal(f"members.{member.id}.accounts", account.id, "only a client has a key of its own")
    return None


def _refusal(where: str, which: int, why: str) -> Rejected:
    return reject(ClearingCode.AMENDMENT_REFUSED, AT, path=f"{where}.{which}", why=why)


def write_listing_change(state: State, before: Genesis, after: Genesis, previous_ms: int) -> None:
    """Write the records that follow from the difference; `state.terms` are the new ones already."""
    _write_assets(state, before, after)
    _write_feeds(state, before, after)
    for chain in after.chains:
        if (chain.chain_id, chain.vault) not in state.deposit_cursors:
            state.deposit_cursors.put((chain.chain_id, chain.vault), DepositCursorRecord(0))
    for instrument in sorted(
        {listed.id for listed in before.instruments} - {listed.id for listed in after.instruments}
    ):
        for table in (state.marks, state.premia, state.settlement_averages, state.halts):
            table.remove(instrument)
    for key, _ in list(state.auction_orders.ordered()) if not after.market.prices.auction_blocks else ():
        state.auction_orders.remove(key)
    groups = {group.id: group for group in before.cash_groups}
    for group in after.cash_groups:
        was = groups.get(group.id)
        if was is None or was.interest.interval_ms == 0:
            # Interest begins now, not when the network began.
            state.interest_accruals.put(group.id, AccrualRecord(previous_ms))
    if any(group.skew.rate_ppm for group in after.cash_groups) and FEE_POT_ACCOUNT not in state.accounts:
        state.accounts.put(FEE_POT_ACCOUNT, Account(HOUSE_ACCOUNT, AccountKind.HOUSE))
    if after.crisis.fund.enabled and FUND_ACCOUNT not in state.accounts:
        state.accounts.put(FUND_ACCOUNT, Account(HOUSE_ACCOUNT, AccountKind.HOUSE))
    members = {member.id: member for member in before.members}
    for member in after.members:
        _write_member(state, members.get(member.id), member)
    _remap_moves(state, before, after)
    _drop_surfaces(state, before, after)


def _drop_surfaces(state: State, before: Genesis, after: Genesis) -> None:
    """Delete reports on groups that have no live surface any more, and surfaces beyond their new bounds: the reports
    agree on one within them in the same block. A surface within them stays, so that a vote moves no mark."""
    live = {terms.group: terms for terms in after.surfaces}
    alike = set(before.surfaces) & set(after.surfaces) if before.risk.rate_ppm == after.risk.rate_ppm else set()
    for group, agreed in list(state.surfaces.ordered()):
        terms = live.get(group)
        if terms is None or (terms not in alike and not _is_kept(state, agreed, terms, after.risk.rate_ppm)):
            state.surfaces.remove(group)
    for key, _ in list(state.surface_reports.ordered()):
        if key[0] not in live:
            state.surface_reports.remove(key)


def _is_kept(state: State, agreed: SurfaceState, terms: SurfaceTerms, carry_ppm: int) -> bool:
    """Whether the living part of an agreed surface is one that could be agreed on within these bounds."""
    quotes = living_quotes(agreed.expiries, state.now.time_ms)
    within = is_within_bounds(quotes, terms, carry_ppm, state.now.time_ms)
    return within and bounded_quotes(quotes, terms) == quotes


def _write_assets(state: State, before: Genesis, after: Genesis) -> None:
    old = {asset.id: asset for asset in before.assets}
    listed = {asset.id: asset for asset in after.assets}
    for asset_id, asset in listed.items():
        if asset_id not in old:
            state.asset_flows.put(asset_id, take_unlisted_flow(state, (asset.chain_id, asset.vault, asset.token)))
        elif asset != old[asset_id]:
            # A dynamic haircut is recomputed in this block.
            state.haircuts.remove(asset_id)
    for asset_id in sorted(old.keys() - listed.keys()):
        for table in (
            state.asset_flows,
            state.asset_halts,
            state.custody,
            state.custody_attestations,
            state.haircuts,
            state.depeg_guards,
        ):
            table.remove(asset_id)


def _write_feeds(state: State, before: Genesis, after: Genesis) -> None:
    old, new = ({feed.id for feed in genesis.feeds} for genesis in (before, after))
    for feed in sorted(new - old):
        state.feeds.put(feed, FeedState(FeedStatus.UNOPENED, 0, 0))
    for feed in sorted(old - new):
        state.feeds.remove(feed)
    for key, _ in list(state.price_reports.ordered()) if old - new else ():
        if key[0] in old - new:
            state.price_reports.remove(key)


def _write_member(state: State, before: MemberTerms | None, after: MemberTerms) -> None:
    if before == after:
        return
    known = {account.id for account in before.accounts} if before else set()
    fresh = [account for account in after.accounts if account.id not in known]
    present = state.members.get(after.id)
    if before is None or before.trade_address != after.trade_address or present is None:
        record = present or Member(after.trade_address)
        state.members.put(after.id, msgspec.structs.replace(record, trade_address=after.trade_address))
        for owned in holders(state, MEMBER_ACCOUNTS, after.id):
            if not any(state.accounts[owned].key):
                state.sealed_seeds.remove(owned)  # another address owns it from now on
    for account in fresh:
        state.accounts.put(account.id, Account(after.id, account.kind, key=account.key))
        set_holder(state, MEMBER_ACCOUNTS, after.id, account.id, holds=True)
    counted = state.member_accounts.get(after.id)
    if counted is not None and fresh:
        state.member_accounts.put(after.id, MemberAccounts(counted.opened, counted.open + len(fresh)))


def _remap_moves(state: State, before: Genesis, after: Genesis) -> None:
    """Rewrite moves, ranges and joint scenarios for new groups, grids or windows."""
    old, new = (tuple(group.id for group in genesis.risk.groups) for genesis in (before, after))
    if old != new or before.ranges.window != after.ranges.window:
        _remap_columns(state, old, new, after.ranges.window)
    for group_id in sorted(set(old) - set(new)):
        state.variances.remove(group_id)
        state.price_ranges.remove(group_id)
        state.level_variances.remove(group_id)
    for group_id in sorted({terms.group for terms in before.surfaces} ^ {terms.group for terms in after.surfaces}):
        state.level_variances.remove(group_id)  # its level is another quantity from now on
    if before.risk != after.risk or before.ranges != after.ranges:
        state.joint_scenarios.remove(0)
        state.historical_moves.remove(0)
        for group in after.risk.groups:
            _clamp_range(state, group, after.ranges)


def _clamp_range(state: State, group: RiskGroup, ranges: RangeParameters) -> None:
    """Bring the last published range within the new bounds, which apply to the next statement; the range never
    shrinks below them."""
    published = state.price_ranges.get(group.id)
    if published is None or not ranges.enabled:
        return
    weight = ranges.volatility_weight_ppm
    lowest = max(group.volatility_ppm * (PPM - weight) // PPM, 1)
    volatility = max(published.volatility_ppm, lowest) if weight else group.volatility_ppm
    shift = max(published.volatility_range_ppm, group.volatility_range_ppm)
    within = msgspec.structs.replace(
        published,
        range_ppm=min(max(published.range_ppm, ranges.range_min_ppm), ranges.range_max_ppm),
        volatility_ppm=volatility,
        volatility_range_ppm=shift if ranges.volatility_multiple_ppm else group.volatility_range_ppm,
    )
    if within != published:
        state.price_ranges.put(group.id, within)


def _remap_columns(state: State, old: tuple[int, ...], new: tuple[int, ...], window: int) -> None:
    samples_by_time = sorted(state.returns.ordered(), key=lambda item: (item[1].time_ms, item[0]))
    if not samples_by_time:
        return
    levels = dict(state.level_moves.ordered())
    for number, _ in samples_by_time:
        state.returns.remove(number)
        state.level_moves.remove(number)
    clock = state.range_clock.get(0)
    samples = clock.samples if clock else len(samples_by_time)
    newest = samples_by_time[-window:]
    for at, (number, sample) in enumerate(newest):
        # The next observation goes to `samples` modulo the window; earlier ones are placed backwards from there.
        place = (samples - len(newest) + at) % window
        state.returns.put(place, _reordered(sample, old, new))
        if number in levels:
            state.level_moves.put(place, _reordered(levels[number], old, new))


def _reordered(sample: MovesRecord, old: tuple[int, ...], new: tuple[int, ...]) -> MovesRecord:
    """The sample over other risk groups; a new one was not observed."""
    moves = dict(zip(old, sample.moves, strict=True))
    return MovesRecord(sample.time_ms, tuple(moves.get(group, GroupMove(0, 0)) for group in new))
