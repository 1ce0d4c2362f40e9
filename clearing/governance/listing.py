"""What an amendment of the terms asks of the state, and writes into it.

Rule: what is newly listed gets the records that it would have got at genesis, so that it works from this block on; what
is taken off the list must be held by nobody, and leaves none. Records whose places are counted (moves by risk group,
windows) are put in order again. Whatever is derived from the terms is built anew.
"""

import msgspec

from clearing.accounts.kinds import AccountKind
from clearing.assets import Asset
from clearing.base.codec import u256
from clearing.base.errors import Rejected
from clearing.base.ids import FUND_ACCOUNT, HOUSE_ACCOUNT
from clearing.chains import is_struck
from clearing.codes import ClearingCode, reject
from clearing.collateral.listing import asset_now
from clearing.default.unresolved import defaults_under_way
from clearing.genesis import Genesis, MemberTerms
from clearing.governance.bounds import brakes
from clearing.governance.moves import reorder_moves
from clearing.ledger import FEE_POT_ACCOUNT, currency_of, held
from clearing.prices.receipts import FeedStatus
from clearing.state.indexes import CURRENCY, INSTRUMENT, holders
from clearing.state.records import Account, Accrual, Cursor, FeedState, Flow, Member, MemberAccounts
from clearing.state.state import State

AT = "amendment"


def check_listing(state: State, before: Genesis, after: Genesis) -> Rejected | None:
    """Whether the state lets what goes go, and what comes come."""
    return (
        _check_instruments(state, before, after)
        or _check_assets(state, before, after)
        or _check_feeds(state, before, after)
        or _check_gates(state, before, after)
        or _check_order(before, after)
        or _check_members(state, before, after)
    )


def _check_instruments(state: State, before: Genesis, after: Genesis) -> Rejected | None:
    old, new = ({each.id: each for each in genesis.instruments} for genesis in (before, after))
    for each in sorted(new.keys() - old.keys()):
        if new[each].expired(state.now.time_ms):
            return _refuse("instruments", each, "it has expired")
    waiting = {held.instrument for _, held in state.held_trades.ordered()}
    ordered = {instrument for (instrument, _), _ in state.auction_orders.ordered()}
    # What losses and gains are counted from names instruments, too.
    counted = any(True for _ in state.windows.ordered()) or bool(defaults_under_way(state))
    for each in sorted(old.keys() - new.keys()):
        if counted:
            return _refuse("instruments", each, "gains and losses in it are being counted")
        if holders(state, INSTRUMENT, each) or each in waiting or each in ordered:
            return _refuse("instruments", each, "somebody holds it")
    return None


def _check_assets(state: State, before: Genesis, after: Genesis) -> Rejected | None:
    old, new = ({each.id: each for each in genesis.assets} for genesis in (before, after))
    for each in sorted(old.keys() - new.keys()):
        flow = state.flows.get(each)
        moved = flow is not None and any((*flow.deposited_amount, *flow.released_units))
        if moved or _held_of(state, old[each]):
            return _refuse("assets", each, "some of it went through the ledger")
    for each, asset in sorted(new.items()):
        # Nobody sees or pays anything there any more: a new token would never be proven, and hold up every epoch.
        if is_struck(state, asset.chain_id, asset.vault) and asset != old.get(each):
            return _refuse("assets", each, "its vault is detached")
    for each in sorted(old.keys() & new.keys()):
        guard = state.guards.get(each)
        gone = guard is not None and guard.left_height > 0
        if old[each].may_leave != new[each].may_leave and (gone or old[each].may_leave):
            return _refuse("assets", each, "its guard stands")
    return None


def _held_of(state: State, asset: Asset) -> bool:
    token = asset.as_collateral if asset.may_leave else asset
    return not token.is_cash and bool(holders(state, CURRENCY, currency_of(token)))


def _check_feeds(state: State, before: Genesis, after: Genesis) -> Rejected | None:
    """A feed that is taken off prices nothing any more, or the rules of genesis would not hold."""
    del state
    gone = {each.id for each in before.feeds} - {each.id for each in after.feeds}
    for asset in after.assets:
        for feed in (asset.feed, asset.yields.feed, asset.depeg.feed):
            if feed in gone:
                return _refuse("feeds", feed, "an asset needs it")
    return None


def _check_gates(state: State, before: Genesis, after: Genesis) -> Rejected | None:
    """A limit is a brake for what is held, too: a cap may be voted below that, and the limit after it."""
    old = {gate.asset: gate for gate in before.crisis.gates.assets}
    listed = {asset.id: asset for asset in before.assets}
    for gate in after.crisis.gates.assets:
        asset = listed.get(gate.asset)
        if asset is None or gate == old.get(gate.asset):
            continue
        # Limits are in the units of genesis, also for a token that left its group and has coarser ones.
        now = asset_now(state, asset)
        units = held(state, now) * (now.base_units // asset.base_units)
        for field, limit, good in brakes(gate, units):
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
            return _refuse("members", member.id, "its key is zero")
        if member.id not in old and member.id in state.members:
            return _refuse("members", member.id, "there is one")
        for account in member.accounts:
            if account.id not in known and (account.id in state.accounts or account.kind not in AccountKind):
                return _refuse(f"members.{member.id}.accounts", account.id, "there is one")
            if account.id not in known and any(account.key) and account.kind is not AccountKind.CLIENT:
                return _refuse(f"members.{member.id}.accounts", account.id, "only a client has a key of its own")
    return None


def _refuse(where: str, which: int, why: str) -> Rejected:
    return reject(ClearingCode.AMENDMENT_REFUSED, AT, path=f"{where}.{which}", why=why)


def write_listing(state: State, before: Genesis, after: Genesis, previous_ms: int) -> None:
    """Write what follows from the difference; `state.terms` are the new ones already."""
    _write_assets(state, before, after)
    _write_feeds(state, before, after)
    for chain in after.chains:
        if (chain.chain_id, chain.vault) not in state.cursors:
            state.cursors.put((chain.chain_id, chain.vault), Cursor(0))
    for instrument in sorted({each.id for each in before.instruments} - {each.id for each in after.instruments}):
        for table in (state.marks, state.premia, state.averages, state.halts):
            table.remove(instrument)
    for key, _ in list(state.auction_orders.ordered()) if not after.market.prices.auction_blocks else ():
        state.auction_orders.remove(key)
    groups = {group.id: group for group in before.cash_groups}
    for group in after.cash_groups:
        was = groups.get(group.id)
        if was is None or was.interest.interval_ms == 0:
            # Interest begins now, not when the network did.
            state.accruals.put(group.id, Accrual(previous_ms))
    if any(group.skew.rate_ppm for group in after.cash_groups) and FEE_POT_ACCOUNT not in state.accounts:
        state.accounts.put(FEE_POT_ACCOUNT, Account(HOUSE_ACCOUNT, AccountKind.HOUSE))
    if after.crisis.fund.enabled and FUND_ACCOUNT not in state.accounts:
        state.accounts.put(FUND_ACCOUNT, Account(HOUSE_ACCOUNT, AccountKind.HOUSE))
    members = {member.id: member for member in before.members}
    for member in after.members:
        _write_member(state, members.get(member.id), member)
    reorder_moves(state, before, after)


def _write_assets(state: State, before: Genesis, after: Genesis) -> None:
    old = {each.id: each for each in before.assets}
    listed = {each.id: each for each in after.assets}
    for each, asset in listed.items():
        if each not in old:
            state.flows.put(each, Flow(u256(0), u256(0)))
        elif asset != old[each]:
            # A haircut that moves is worked out again in this block.
            state.haircuts.remove(each)
    for each in sorted(old.keys() - listed.keys()):
        for table in (state.flows, state.custody, state.custody_claims, state.haircuts, state.guards):
            table.remove(each)


def _write_feeds(state: State, before: Genesis, after: Genesis) -> None:
    old, new = ({each.id for each in genesis.feeds} for genesis in (before, after))
    for feed in sorted(new - old):
        state.feeds.put(feed, FeedState(FeedStatus.UNOPENED, 0, 0))
    for feed in sorted(old - new):
        state.feeds.remove(feed)
    for key, _ in list(state.reports.ordered()) if old - new else ():
        if key[0] in old - new:
            state.reports.remove(key)


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
        state.member_accounts.put(after.id, MemberAccounts(counted.opened, counted.held + len(fresh)))
