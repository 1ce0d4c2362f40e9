"""Listing: what an amendment of the terms asks of the state, and the records it writes for what is newly listed.

Rule: a new instrument, asset, feed or member gets the records that genesis would have given it. Observed moves are
put in order again when risk groups or the window change: a group keeps its history, a new one starts empty.
"""

import msgspec

from clearing.base.codec import u256
from clearing.base.errors import Rejected
from clearing.base.ids import FUND_ACCOUNT, HOUSE_ACCOUNT
from clearing.base.units import PPM
from clearing.collateral.cash_tokens import current_asset
from clearing.context.unresolved_losses import defaults_under_way
from clearing.governance.bounds import limits_outflow
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.records.accounts import Account, AccrualRecord, Member, MemberAccounts
from clearing.schema.records.collateral import AssetFlowRecord, DepositCursorRecord
from clearing.schema.records.prices import FeedState, FeedStatus, GroupMove, MovesRecord
from clearing.schema.risk.parameters import RiskGroup
from clearing.schema.risk.price_ranges import RangeParameters
from clearing.schema.terms.assets import Asset
from clearing.schema.terms.genesis import AccountKind, Genesis, MemberTerms
from clearing.state.indexes import CURRENCY_HOLDERS, INSTRUMENT_HOLDERS, holders
from clearing.state.ledger import FEE_POT_ACCOUNT, currency_of, inventory_units
from clearing.state.state import State
from clearing.validators.observed_chains import is_detached

AT = "amendment"


def check_listing_change(state: State, before: Genesis, after: Genesis) -> Rejected | None:
    """Whether the state lets what goes go, and what comes come."""
    return (
        _check_instruments(state, before, after)
        or _check_assets(state, before, after)
        or _check_feeds(state, before, after)
        or _check_withdrawal_limits(state, before, after)
        or _check_order(before, after)
        or _check_members(state, before, after)
    )


def _check_instruments(state: State, before: Genesis, after: Genesis) -> Rejected | None:
    old, new = ({each.id: each for each in genesis.instruments} for genesis in (before, after))
    for each in sorted(new.keys() - old.keys()):
        if new[each].expired(state.now.time_ms):
            return _refusal("instruments", each, "it has expired")
    waiting = {pending.instrument for _, pending in state.pending_trades.ordered()}
    ordered = {instrument for (instrument, _), _ in state.auction_orders.ordered()}
    # What losses and gains are counted from names instruments, too.
    counted = any(True for _ in state.gains_windows.ordered()) or bool(defaults_under_way(state))
    for each in sorted(old.keys() - new.keys()):
        if counted:
            return _refusal("instruments", each, "gains and losses in it are being counted")
        if holders(state, INSTRUMENT_HOLDERS, each) or each in waiting or each in ordered:
            return _refusal("instruments", each, "somebody holds it")
    return None


def _check_assets(state: State, before: Genesis, after: Genesis) -> Rejected | None:
    old, new = ({each.id: each for each in genesis.assets} for genesis in (before, after))
    for each in sorted(old.keys() - new.keys()):
        flow = state.asset_flows.get(each)
        moved = flow is not None and any((*flow.deposited_amount, *flow.released_units))
        if moved or _outstanding_units(state, old[each]):
            return _refusal("assets", each, "some of it went through the ledger")
    for each, asset in sorted(new.items()):
        # Nobody sees or pays anything there any more: a new token would never be proven, and hold up every epoch.
        if is_detached(state, asset.chain_id, asset.vault) and asset != old.get(each):
            return _refusal("assets", each, "its vault is detached")
    for each in sorted(old.keys() & new.keys()):
        guard = state.depeg_guards.get(each)
        gone = guard is not None and guard.left_height > 0
        if old[each].may_leave != new[each].may_leave and (gone or old[each].may_leave):
            return _refusal("assets", each, "its guard stands")
    return None


def _outstanding_units(state: State, asset: Asset) -> bool:
    token = asset.as_collateral if asset.may_leave else asset
    return not token.is_cash and bool(holders(state, CURRENCY_HOLDERS, currency_of(token)))


def _check_feeds(state: State, before: Genesis, after: Genesis) -> Rejected | None:
    """A feed that is taken off prices nothing any more, or the rules of genesis would not hold."""
    del state
    gone = {each.id for each in before.feeds} - {each.id for each in after.feeds}
    for asset in after.assets:
        for feed in (asset.feed, asset.yields.feed, asset.depeg.feed):
            if feed in gone:
                return _refusal("feeds", feed, "an asset needs it")
    return None


def _check_withdrawal_limits(state: State, before: Genesis, after: Genesis) -> Rejected | None:
    """A limit is a brake for what is held, too: a cap may be voted below that, and the limit after it."""
    old = {gate.asset: gate for gate in before.crisis.gates.assets}
    listed = {asset.id: asset for asset in before.assets}
    for gate in after.crisis.gates.assets:
        asset = listed.get(gate.asset)
        if asset is None or gate == old.get(gate.asset):
            continue
        # Limits are in the units of genesis, also for a token that left its group and has coarser ones.
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
    """What is told in the risk groups' order means other groups once one of them goes and another comes."""
    groups = [[group.id for group in genesis.risk.groups] for genesis in (before, after)]
    if groups[0] == groups[1][: len(groups[0])]:
        return None
    for path, was, now in (
        ("risk.stress", before.risk.stress, after.risk.stress),
        ("risk.joint.scenarios", before.risk.joint.scenarios, after.risk.joint.scenarios),
    ):
        if now and now == was:
            why = "it is told in the order of other risk groups"
            return reject(ClearingCode.AMENDMENT_REFUSED, AT, path=path, why=why)
    return None


def _check_members(state: State, before: Genesis, after: Genesis) -> Rejected | None:
    known = {account.id for member in before.members for account in member.accounts}
    old = {member.id: member.trade_address for member in before.members}
    for member in after.members:
        if not any(member.trade_address) and old.get(member.id) != member.trade_address:
            return _refusal("members", member.id, "its key is zero")
        if member.id not in old and member.id in state.members:
            return _refusal("members", member.id, "there is one")
        for account in member.accounts:
            if account.id not in known and (account.id in state.accounts or account.kind not in AccountKind):
                return _refusal(f"members.{member.id}.accounts", account.id, "there is one")
            if account.id not in known and any(account.key) and account.kind is not AccountKind.CLIENT:
                return _refusal(f"members.{member.id}.accounts", account.id, "only a client has a key of its own")
    return None


def _refusal(where: str, which: int, why: str) -> Rejected:
    return reject(ClearingCode.AMENDMENT_REFUSED, AT, path=f"{where}.{which}", why=why)


def write_listing_change(state: State, before: Genesis, after: Genesis, previous_ms: int) -> None:
    """Write what follows from the difference; `state.terms` are the new ones already."""
    _write_assets(state, before, after)
    _write_feeds(state, before, after)
    for chain in after.chains:
        if (chain.chain_id, chain.vault) not in state.deposit_cursors:
            state.deposit_cursors.put((chain.chain_id, chain.vault), DepositCursorRecord(0))
    for instrument in sorted({each.id for each in before.instruments} - {each.id for each in after.instruments}):
        for table in (state.marks, state.premia, state.settlement_averages, state.halts):
            table.remove(instrument)
    for key, _ in list(state.auction_orders.ordered()) if not after.market.prices.auction_blocks else ():
        state.auction_orders.remove(key)
    groups = {group.id: group for group in before.cash_groups}
    for group in after.cash_groups:
        was = groups.get(group.id)
        if was is None or was.interest.interval_ms == 0:
            # Interest begins now, not when the network did.
            state.interest_accruals.put(group.id, AccrualRecord(previous_ms))
    if any(group.skew.rate_ppm for group in after.cash_groups) and FEE_POT_ACCOUNT not in state.accounts:
        state.accounts.put(FEE_POT_ACCOUNT, Account(HOUSE_ACCOUNT, AccountKind.HOUSE))
    if after.crisis.fund.enabled and FUND_ACCOUNT not in state.accounts:
        state.accounts.put(FUND_ACCOUNT, Account(HOUSE_ACCOUNT, AccountKind.HOUSE))
    members = {member.id: member for member in before.members}
    for member in after.members:
        _write_member(state, members.get(member.id), member)
    remap_moves(state, before, after)


def _write_assets(state: State, before: Genesis, after: Genesis) -> None:
    old = {each.id: each for each in before.assets}
    listed = {each.id: each for each in after.assets}
    for each, asset in listed.items():
        if each not in old:
            state.asset_flows.put(each, AssetFlowRecord(u256(0), u256(0)))
        elif asset != old[each]:
            # A haircut that moves is worked out again in this block.
            state.haircuts.remove(each)
    for each in sorted(old.keys() - listed.keys()):
        for table in (state.asset_flows, state.custody, state.custody_attestations, state.haircuts, state.depeg_guards):
            table.remove(each)


def _write_feeds(state: State, before: Genesis, after: Genesis) -> None:
    old, new = ({each.id for each in genesis.feeds} for genesis in (before, after))
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
    for account in fresh:
        state.accounts.put(account.id, Account(after.id, account.kind, key=account.key))
    counted = state.member_accounts.get(after.id)
    if counted is not None and fresh:
        state.member_accounts.put(after.id, MemberAccounts(counted.opened, counted.open + len(fresh)))


def remap_moves(state: State, before: Genesis, after: Genesis) -> None:
    """Rewrite moves, ranges and joint scenarios for other groups, grids or windows."""
    old, new = (tuple(group.id for group in genesis.risk.groups) for genesis in (before, after))
    if old != new or before.ranges.window != after.ranges.window:
        _remap_columns(state, old, new, after.ranges.window)
    for gone in sorted(set(old) - set(new)):
        state.variances.remove(gone)
        state.price_ranges.remove(gone)
    if before.risk != after.risk or before.ranges != after.ranges:
        state.joint_scenarios.remove(0)
        for group in after.risk.groups:
            _keep_in_bounds(state, group, after.ranges)


def _keep_in_bounds(state: State, group: RiskGroup, ranges: RangeParameters) -> None:
    """Hold what was last published to the new bounds, which the next statement is judged by; never a smaller range."""
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
    kept = sorted(state.returns.ordered(), key=lambda each: (each[1].time_ms, each[0]))
    if not kept:
        return
    for number, _ in kept:
        state.returns.remove(number)
    clock = state.range_clock.get(0)
    samples = clock.samples if clock else len(kept)
    newest = kept[-window:]
    for at, (_, held) in enumerate(newest):
        moves = dict(zip(old, held.moves, strict=True))
        ordered = tuple(moves.get(group, GroupMove(0, 0)) for group in new)
        # The next observation takes place `samples` modulo the window; those before it are counted back from there.
        state.returns.put((samples - len(newest) + at) % window, MovesRecord(held.time_ms, ordered))
