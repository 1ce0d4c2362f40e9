"""`Rehearsal`: a copy of a state, and the blocks of a drill on it.

Rule: the given state is never changed, and blocks are applied by the network's own rules. In every block all validators
report one price of each feed, and every chain goes on. A member that the moves alone do not bring into default fails in
one block, as if it had not met a call: the phases of that block are those of `apply_block`.
"""

from collections.abc import Mapping

from clearing import apply_block as phases
from clearing.base.protocol import RELEASE_VERSIONS
from clearing.context.block_context import BlockContext, Failure, FailureReason
from clearing.context.member_status import accounts_by_member
from clearing.schema.blocks.block import BlockExtension, BlockInput, BlockResult, PriceReport, VoteExtension
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.facts import ChainHeartbeat
from clearing.schema.records.prices import FeedStatus
from clearing.settlement.accrual import accrue_time
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin
from clearing.state.indexes import rebuild_indexes
from clearing.state.protocol_version import check_version
from clearing.state.state import State
from clearing.state.state_tables import TABLES
from clearing.state.withdrawals_tree import rebuild_withdrawals_tree
from clearing.validators.validator_sets import validator_sets


def copy_of(state: State) -> State:
    """All records in a state of its own, without a parent. Linear in the state."""
    copy = State(state.terms, state.salt, None)
    for declared in TABLES.values():
        table = getattr(copy, declared.attribute)
        for key, record in list(getattr(state, declared.attribute).ordered()):
            table.put(key, record)
    rebuild_indexes(copy)
    rebuild_withdrawals_tree(copy)
    return copy


class Rehearsal:
    """The copy, and what its blocks came to."""

    def __init__(self, state: State, block_ms: int) -> None:
        self.state = copy_of(state)
        self.results: list[BlockResult] = []
        self._block_ms = block_ms
        self.begin = {
            feed: record.ticks for feed, record in state.feeds.ordered() if record.status != FeedStatus.UNOPENED
        }
        """The index of every feed that has one."""
        self._heads: dict[int, int] = dict.fromkeys(state.terms.chains, 0)
        for (chain, _), beat in state.heartbeats.ordered():
            self._heads[chain] = max(self._heads.get(chain, 0), beat.block_number)

    def next_block(self, prices: Mapping[int, int], transactions: tuple[Transaction, ...] = ()) -> BlockInput:
        """The block above: these prices by feed, of all validators, and a new block of every chain."""
        certified, now = validator_sets(self.state).last, self.state.now
        time_ms, sources = now.time_ms + self._block_ms, max(self.state.terms.market.prices.sources_min, 1)
        said = VoteExtension(
            tuple(PriceReport(feed, ticks, 0, sources, time_ms) for feed, ticks in sorted(prices.items())),
            tuple(ChainHeartbeat(chain, head + 1, bytes(32)) for chain, head in sorted(self._heads.items())),
        )
        extensions = tuple(BlockExtension(at, each.power, said) for at, each in enumerate(certified.validators))
        return BlockInput(now.height + 1, time_ms, extensions, certified.total_power, transactions)

    def apply(self, block: BlockInput, failing: int | None = None) -> BlockResult:
        """Apply and decide a block; `failing`: the account of whose member a default is declared in it."""
        if failing is None:
            fork, result = phases.apply_block(self.state, block)
        else:
            fork, result = apply_with_failure(self.state, block, failing)
        self.state = fork.absorb()
        self.results.append(result)
        for chain in self._heads:
            self._heads[chain] += 1
        return result


def apply_with_failure(state: State, block: BlockInput, account: int | None) -> tuple[State, BlockResult]:
    """The phases of `apply_block`, with one more failed account before losses are covered; None: without any."""
    check_version(state, block.height, RELEASE_VERSIONS)
    context = BlockContext(state.fork(), phases.check_block_structure(state, block))
    phases.open_block(context)
    phases.apply_governance(context)
    accrue_time(context)
    phases.decide_prices(context)
    phases.update_collateral(context)
    phases.settle_positions(context)
    phases.take_in_facts(context)
    phases.finish_due_trades(context)
    phases.apply_transactions(context)
    phases.call_margin(context)
    if account is not None:
        context.failures.append(Failure(account, FailureReason.CALL_LAPSED))
    phases.cover_losses(context)
    phases.pay_withdrawals(context)
    phases.close_block(context)
    return context.state, phases.block_result(context)


def failing_account(state: State, member: int) -> int | None:
    """The account with which a forced default begins: the member's own one with the most equity above initial margin,
    so that no other account pays for it; a client's where the member has none; None: it has no account."""
    accounts = accounts_by_member(state).get(member)
    if accounts is None:
        return None
    arrays = current_arrays(state)

    def spare(account: int) -> tuple[int, int]:
        margin = holdings_margin(arrays, current_holdings(state, account))
        return margin.equity - margin.initial, -account

    return max(accounts.own or accounts.clients, key=spare, default=None)
