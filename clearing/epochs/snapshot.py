"""Epochs: when an epoch closes, when its snapshot is due, and the content of the snapshot.

Rule: an epoch closes at the first block from its boundary on whose custody evidence covers the ledger and whose feeds
all have a price, and not before the last snapshot's commitments are in a header: so that header has the snapshot's
epoch. The snapshot is a function of the state alone: any replica computes the same one, at any time.
"""

import msgspec

from clearing.accounts.commitment_seeds import account_owner, sealed_seed
from clearing.base.codec import u256
from clearing.base.errors import LocalFault
from clearing.base.hashing import tagged_hash
from clearing.base.header import STATE_TAG
from clearing.base.ids import HOUSE_ACCOUNT, Hash32
from clearing.collateral.cash_tokens import current_assets
from clearing.context.block_context import BlockContext
from clearing.deposits.custody import custody_terms
from clearing.epochs.exit_tree import store_exit_tree
from clearing.margin.statement.rows import account_holdings, build_snapshot, build_statement
from clearing.margin.statement.rulebook import write_rulebook
from clearing.margin.statement.snapshot import AccountHoldings, CoverTerms, PublicTotal, RiskSnapshot
from clearing.margin.statement.stress import StressArrays, build_cover_terms
from clearing.schema.codes import ClearingCode
from clearing.schema.receipts.collateral import EpochClosed
from clearing.schema.records.prices import FeedStatus
from clearing.state.effective_parameters import current_rulebook
from clearing.state.holdings import current_arrays, current_holdings
from clearing.state.ledger import currency_of, inventory_units
from clearing.state.state import State


def close_epoch(context: BlockContext) -> None:
    """Close the epoch when its boundary was reached and a snapshot is possible."""
    clock, market = context.state.now, context.terms.market
    boundary = context.block.height // market.epoch_blocks > clock.snapshot_height // market.epoch_blocks
    wait = min(market.snapshot_delay_blocks, market.epoch_blocks - 1)
    carried = not clock.epoch or context.block.height > clock.snapshot_height + wait
    if not boundary or not carried or not is_snapshot_possible(context.state):
        return
    closed = msgspec.structs.replace(clock, epoch=clock.epoch + 1, snapshot_height=context.block.height)
    context.state.clock.put(0, closed)
    context.receipts.append(EpochClosed(closed.epoch, closed.snapshot_height))
    store_exit_tree(context.state)


def is_snapshot_possible(state: State) -> bool:
    """Whether every feed has a price and custody evidence covers the ledger."""
    priced = all(feed_state.status != FeedStatus.UNOPENED for _, feed_state in state.feeds.ordered())
    return priced and custody_terms(state) is not None


def snapshot_due(state: State, height: int) -> bool:
    """Whether the state after the block at `height` is an epoch's snapshot."""
    return height > 0 and state.now.height == height == state.now.snapshot_height


def state_root(state: State) -> Hash32:
    """The state root in the header at this height."""
    roots = state.module_roots()
    return tagged_hash(STATE_TAG, u256(len(roots)), *roots)


def take_snapshot(state: State) -> RiskSnapshot:
    """The snapshot of this state: every account, every row, custody. Raises LocalFault SNAPSHOT_NOT_READY."""
    custody = custody_terms(state)
    if custody is None or not is_snapshot_possible(state):
        raise LocalFault(ClearingCode.SNAPSHOT_NOT_READY, "take_snapshot", height=state.now.height)
    arrays, terms = current_arrays(state), state.terms
    accounts: list[AccountHoldings] = []
    shortfalls: dict[int, int] = {}
    for account, _ in state.accounts.ordered():
        own = current_holdings(state, account)
        owner, sealed = account_owner(state, account), sealed_seed(state, account)
        accounts.append(account_holdings(arrays, account, own.cash, own.tokens, own.lots, owner, sealed))
        if accounts[-1].shortfall:
            shortfalls[account] = accounts[-1].shortfall
    rulebook = current_rulebook(state)
    stress = rulebook.stress()
    statement = build_statement(
        arrays,
        rulebook.parameters,
        network=terms.network,
        height=state.now.height,
        epoch=state.now.epoch,
        state_root=state_root(state),
        prices=rulebook.prices,
        totals=_public_totals(state),
        custody=custody,
        shortfalls=shortfalls,
        stress=stress,
        rules=write_rulebook(rulebook),
        assumptions=rulebook.assumptions,
        cover=_fund_cover(state, stress, accounts),
    )
    return build_snapshot(statement, accounts)


def _fund_cover(state: State, stress: StressArrays, accounts: list[AccountHoldings]) -> CoverTerms | None:
    """The test of the default fund, which the house account holds; None without stress scenarios."""
    if not stress.names:
        return None
    members = {account: record.member for account, record in state.accounts.ordered()}
    sizes = (len(state.terms.cash_groups), len(state.terms.tokens))
    return build_cover_terms(stress, sizes, accounts, members, HOUSE_ACCOUNT, state.terms.risk.default_fund_micros)


def _public_totals(state: State) -> list[PublicTotal]:
    """Custody per cash group and per token, 0 per instrument; in slot order."""
    terms, owed = state.terms, dict.fromkeys(state.terms.cash_groups, 0)
    for asset in current_assets(state):
        if asset.is_cash:
            owed[currency_of(asset)] += inventory_units(state, asset)
    totals = [
        *owed.values(),
        *(inventory_units(state, token) for token in terms.tokens),
        *(0 for _ in terms.instruments),
    ]
    return [PublicTotal(slot, total) for slot, total in enumerate(totals)]
