"""`State`: everything that replicas agree on, in tables, with a root per module.

Rule: a state is never changed by a block; a fork of it is. Forking costs nothing, deciding a fork (`absorb`) costs what
the fork wrote, roots cost what changed. The order of `Module` is the order of the roots in the header.
It must not know what the records mean.
"""

from collections.abc import Iterator
from enum import IntEnum
from typing import Any

from clearing.base.codec import U32, U63, Bytes20, Bytes32, encode
from clearing.base.errors import LocalFault
from clearing.base.ids import Hash32
from clearing.genesis.effective_terms import Terms
from clearing.margin.requirement.margin_book import MarginBook
from clearing.margin.risk_arrays.arrays import RiskArrays
from clearing.schema.codes import ClearingCode
from clearing.schema.records import accounts as records
from clearing.schema.records import collateral, prices
from clearing.schema.records import default as default_records
from clearing.schema.records import default as fund_records
from clearing.schema.records import governance as governance_records
from clearing.schema.records import margin_calls as call_records
from clearing.schema.records import margin_calls as liquidation_records
from clearing.schema.records import prices as range_records
from clearing.schema.records import trades as records_3
from clearing.schema.records import validators as validator_records
from clearing.schema.records import withdrawals as exit_records
from clearing.schema.records import withdrawals as gate_records
from clearing.schema.records import withdrawals as records_4
from clearing.schema.records.withdrawals import ExitTree
from clearing.schema.terms.genesis import Genesis
from clearing.state.table import Table
from clearing.state.tree import ModuleTree


class Module(IntEnum):
    """Parts of the state with a root of their own."""

    LEDGER = 0
    POSITIONS = 1
    PRICES = 2
    MEMBERS = 3
    BRIDGE = 4
    RISK = 5
    REQUESTS = 6
    WITHDRAWALS = 7
    VALIDATORS = 8


TABLES: dict[str, tuple[Module, Any, Any]] = {
    "balances": (Module.LEDGER, tuple[U63, U63], records.Balance),
    "books": (Module.POSITIONS, U63, records.Book),
    "marks": (Module.PRICES, U32, prices.Mark),
    "feeds": (Module.PRICES, U32, prices.FeedState),
    "reports": (Module.PRICES, tuple[U32, U32], prices.PriceReportRecord),
    "premia": (Module.PRICES, U32, prices.PremiumRecord),
    "averages": (Module.PRICES, U32, prices.AveragingRecord),
    "auction_orders": (Module.PRICES, tuple[U32, U63], prices.AuctionOrder),
    "members": (Module.MEMBERS, U63, records.Member),
    "accounts": (Module.MEMBERS, U63, records.Account),
    "cursors": (Module.BRIDGE, tuple[U63, Bytes20], collateral.DepositCursorRecord),
    "claims": (Module.BRIDGE, tuple[U32, U63, Bytes20, U63], collateral.AttestationsRecord),
    "agreed": (Module.BRIDGE, tuple[U63, Bytes20, U63], collateral.AgreedDepositRecord),
    "strays": (Module.BRIDGE, tuple[U63, Bytes20, U63], collateral.StrayDepositRecord),
    "flows": (Module.BRIDGE, U32, collateral.AssetFlowRecord),
    "custody_claims": (Module.BRIDGE, U32, collateral.AttestationsRecord),
    "custody": (Module.BRIDGE, U32, collateral.CustodyRecord),
    "beats": (Module.BRIDGE, tuple[U63, U32], collateral.HeartbeatRecord),
    "clock": (Module.RISK, U32, records.ClockRecord),
    "nonces": (Module.REQUESTS, U63, records.NonceRecord),
    "trades": (Module.REQUESTS, tuple[U63, U63, U63, U63], records_3.NovatedTradeRecord),
    "withdrawals": (Module.WITHDRAWALS, U63, records_4.ReleasedWithdrawalRecord),
    "ranges": (Module.RISK, U32, range_records.PublishedRangeRecord),
    "variances": (Module.RISK, U32, range_records.VarianceRecord),
    "returns": (Module.RISK, U32, range_records.MovesRecord),
    "range_clock": (Module.RISK, U32, range_records.RangeClockRecord),
    "chain_delays": (Module.RISK, U63, range_records.ChainDelayRecord),
    "joint": (Module.RISK, U32, range_records.JointScenariosRecord),
    "member_accounts": (Module.MEMBERS, U63, records.MemberAccounts),
    "venues": (Module.MEMBERS, U63, records_3.VenueState),
    "mandates": (Module.MEMBERS, tuple[U63, U63], records_3.MandateRecord),
    "venue_ids": (Module.REQUESTS, tuple[U63, U63], records_3.UsedTradeIdsRecord),
    "held_trades": (Module.REQUESTS, tuple[U63, U63, U63, U63], records_3.PendingTradeRecord),
    "venue_days": (Module.REQUESTS, tuple[U63, U63], records_3.VenueDay),
    "day_trades": (Module.REQUESTS, tuple[U63, U63, U63], records_3.DayTrade),
    "haircuts": (Module.RISK, U32, collateral.HaircutRecord),
    "guards": (Module.RISK, U32, collateral.DepegGuardRecord),
    "soft_credits": (Module.BRIDGE, tuple[U63, Bytes20, U63], collateral.SoftCreditRecord),
    "loans": (Module.LEDGER, tuple[U63, U32], records.LoanRecord),
    "restrictions": (Module.MEMBERS, U63, records.RestrictionRecord),
    "accruals": (Module.LEDGER, U32, records.AccrualRecord),
    "cash_calls": (Module.RISK, U63, collateral.CashCallRecord),
    "silences": (Module.BRIDGE, U63, collateral.ChainSilenceRecord),
    "validator_sets": (Module.VALIDATORS, U63, validator_records.ValidatorSetRecord),
    "seats": (Module.VALIDATORS, U32, validator_records.SetNumbersRecord),
    "changes": (Module.VALIDATORS, U32, validator_records.SetChangeRecord),
    "entries": (Module.VALIDATORS, U32, validator_records.ScheduledAdditionRecord),
    "offences": (Module.VALIDATORS, tuple[Bytes32, U32], validator_records.OffencesRecord),
    "exits": (Module.WITHDRAWALS, U32, exit_records.ExitRecord),
    "fund_sizes": (Module.RISK, U32, fund_records.FundSizeRecord),
    "contributions": (Module.LEDGER, U63, fund_records.ContributionRecord),
    "gate_owners": (Module.REQUESTS, tuple[U32, Bytes20], gate_records.WithdrawalVolumeRecord),
    "gate_totals": (Module.REQUESTS, U32, gate_records.WithdrawalVolumeRecord),
    "waiting": (Module.WITHDRAWALS, U63, gate_records.DelayedWithdrawalRecord),
    "waiting_clock": (Module.WITHDRAWALS, U32, gate_records.DelayedWithdrawalCounter),
    "not_paid": (Module.WITHDRAWALS, U63, gate_records.ExpiredWithdrawalRecord),
    "give_back_due": (Module.WITHDRAWALS, U63, gate_records.RefundDueRecord),
    "deficit_left": (Module.REQUESTS, U63, gate_records.ValueWithdrawnRecord),
    "margin_calls": (Module.RISK, U63, call_records.MarginCallRecord),
    "liquidations": (Module.RISK, U63, liquidation_records.LiquidationRecord),
    "governance": (Module.VALIDATORS, U32, governance_records.GovernanceCounters),
    "proposals": (Module.VALIDATORS, Bytes32, governance_records.ProposalRecord),
    "votes": (Module.VALIDATORS, tuple[U63, Bytes32], governance_records.VoteRecord),
    "amendments": (Module.VALIDATORS, U63, governance_records.AmendmentRecord),
    "halts": (Module.VALIDATORS, U32, governance_records.HaltRecord),
    "struck": (Module.VALIDATORS, tuple[U63, Bytes20], governance_records.DetachedVaultRecord),
    "forgiven": (Module.VALIDATORS, tuple[Bytes32, U32], governance_records.RemovedOffencesRecord),
    "standings": (Module.MEMBERS, U63, default_records.MemberStatusRecord),
    "defaults": (Module.RISK, U63, default_records.DefaultRecord),
    "default_clock": (Module.RISK, U32, default_records.DefaultCounters),
    "default_bids": (Module.REQUESTS, tuple[U63, U63], default_records.DefaultBidRecord),
    "assessments": (Module.RISK, U63, default_records.AssessmentRecord),
    "windows": (Module.RISK, U63, default_records.GainsWindow),
    "shifts": (Module.RISK, U63, default_records.PositionChangesRecord),
}
"""Name, module, type of key and record of every table that is hashed. Names are inside the leaves: never renamed."""

INDEX_TABLES = ("holders", "due", "due_counts", "nodes", "held_order", "held_counts", "day_ids")
"""Tables derived from the others (`clearing.state.indexes`): not hashed, not exported, rebuilt."""

LOGGED_TABLES = ("balances", "books")
"""Tables that note what was written, for the margin book (`clearing.state.account_margins`)."""


class State:
    """All tables. Records are read and written through them; money only through `clearing.state.ledger`."""

    balances: Table[tuple[int, int], records.Balance]
    books: Table[int, records.Book]
    marks: Table[int, prices.Mark]
    feeds: Table[int, prices.FeedState]
    reports: Table[tuple[int, int], prices.PriceReportRecord]
    premia: Table[int, prices.PremiumRecord]
    averages: Table[int, prices.AveragingRecord]
    auction_orders: Table[tuple[int, int], prices.AuctionOrder]
    members: Table[int, records.Member]
    accounts: Table[int, records.Account]
    cursors: Table[tuple[int, bytes], collateral.DepositCursorRecord]
    claims: Table[tuple[int, int, bytes, int], collateral.AttestationsRecord]
    agreed: Table[tuple[int, bytes, int], collateral.AgreedDepositRecord]
    strays: Table[tuple[int, bytes, int], collateral.StrayDepositRecord]
    flows: Table[int, collateral.AssetFlowRecord]
    custody_claims: Table[int, collateral.AttestationsRecord]
    custody: Table[int, collateral.CustodyRecord]
    beats: Table[tuple[int, int], collateral.HeartbeatRecord]
    clock: Table[int, records.ClockRecord]
    nonces: Table[int, records.NonceRecord]
    trades: Table[tuple[int, int, int, int], records_3.NovatedTradeRecord]
    """(venue label, trade id, lower account, higher account) of bilateral trades."""
    withdrawals: Table[int, records_4.ReleasedWithdrawalRecord]
    ranges: Table[int, range_records.PublishedRangeRecord]
    """By risk group; none before the first publication."""
    variances: Table[int, range_records.VarianceRecord]
    """By risk group."""
    returns: Table[int, range_records.MovesRecord]
    """By number of the observation modulo the window."""
    range_clock: Table[int, range_records.RangeClockRecord]
    chain_delays: Table[int, range_records.ChainDelayRecord]
    joint: Table[int, range_records.JointScenariosRecord]
    member_accounts: Table[int, records.MemberAccounts]
    venues: Table[int, records_3.VenueState]
    mandates: Table[tuple[int, int], records_3.MandateRecord]
    """(account, venue)."""
    venue_ids: Table[tuple[int, int], records_3.UsedTradeIdsRecord]
    """(venue, trade id // 256)."""
    held_trades: Table[tuple[int, int, int, int], records_3.PendingTradeRecord]
    """(venue, trade id, 0, 0), or as in `trades`."""
    venue_days: Table[tuple[int, int], records_3.VenueDay]
    """(venue, days since 1970)."""
    day_trades: Table[tuple[int, int, int], records_3.DayTrade]
    """(venue, day, number in the day)."""
    haircuts: Table[int, collateral.HaircutRecord]
    guards: Table[int, collateral.DepegGuardRecord]
    soft_credits: Table[tuple[int, bytes, int], collateral.SoftCreditRecord]
    loans: Table[tuple[int, int], records.LoanRecord]
    restrictions: Table[int, records.RestrictionRecord]
    accruals: Table[int, records.AccrualRecord]
    cash_calls: Table[int, collateral.CashCallRecord]
    silences: Table[int, collateral.ChainSilenceRecord]
    validator_sets: Table[int, validator_records.ValidatorSetRecord]
    """By number; `clearing.validators.validator_sets` says which stay."""
    seats: Table[int, validator_records.SetNumbersRecord]
    changes: Table[int, validator_records.SetChangeRecord]
    """The one under way, under 0."""
    entries: Table[int, validator_records.ScheduledAdditionRecord]
    """The one that waits to begin, under 0."""
    offences: Table[tuple[bytes, int], validator_records.OffencesRecord]
    """(envelope key, kind of misbehaviour)."""
    exits: Table[int, exit_records.ExitRecord]
    """The newest closed epoch's, under 0."""
    margin_calls: Table[int, call_records.MarginCallRecord]
    """By account."""
    liquidations: Table[int, liquidation_records.LiquidationRecord]
    """By account."""
    governance: Table[int, governance_records.GovernanceCounters]
    proposals: Table[bytes, governance_records.ProposalRecord]
    votes: Table[tuple[int, bytes], governance_records.VoteRecord]
    amendments: Table[int, governance_records.AmendmentRecord]
    """All that ever took effect; `terms` are genesis and these."""
    halts: Table[int, governance_records.HaltRecord]
    """By instrument."""
    struck: Table[tuple[int, bytes], governance_records.DetachedVaultRecord]
    forgiven: Table[tuple[bytes, int], governance_records.RemovedOffencesRecord]
    gate_owners: Table[tuple[int, bytes], gate_records.WithdrawalVolumeRecord]
    """(asset, address that signs for the money)."""
    gate_totals: Table[int, gate_records.WithdrawalVolumeRecord]
    """By asset."""
    waiting: Table[int, gate_records.DelayedWithdrawalRecord]
    """By number, in order of acceptance."""
    waiting_clock: Table[int, gate_records.DelayedWithdrawalCounter]
    not_paid: Table[int, gate_records.ExpiredWithdrawalRecord]
    """By nonce of the withdrawal."""
    give_back_due: Table[int, gate_records.RefundDueRecord]
    """Nonces of those in `not_paid` that are not given back yet."""
    deficit_left: Table[int, gate_records.ValueWithdrawnRecord]
    """By account, and under `clearing.withdrawals.deficit_reserve.ALL_ACCOUNTS`."""
    fund_sizes: Table[int, fund_records.FundSizeRecord]
    """The last, under 0."""
    contributions: Table[int, fund_records.ContributionRecord]
    """By member."""
    standings: Table[int, default_records.MemberStatusRecord]
    """By member; none: active."""
    defaults: Table[int, default_records.DefaultRecord]
    """By number, from 1."""
    default_clock: Table[int, default_records.DefaultCounters]
    default_bids: Table[tuple[int, int], default_records.DefaultBidRecord]
    """(default, member)."""
    assessments: Table[int, default_records.AssessmentRecord]
    """By member."""
    windows: Table[int, default_records.GainsWindow]
    """By member."""
    shifts: Table[int, default_records.PositionChangesRecord]
    """By account, while there are windows."""
    holders: Table[tuple[int, int], tuple[int, ...]]
    """(0, instrument) or (1, currency) to the accounts that hold it, ordered."""
    due: Table[tuple[int, int], tuple[int, int, int, int]]
    """(second, n) to the n-th trade id that can be forgotten after that second."""
    due_counts: Table[int, int]
    """Second to how many."""
    nodes: Table[tuple[int, int], Hash32]
    """(level, index) to a node of the withdrawals tree."""
    held_order: Table[int, tuple[tuple[int, int, int, int, int], ...]]
    """0 to (due ms, key) of all held trades, ordered."""
    held_counts: Table[int, int]
    """Account to how many held trades it is a side of."""
    day_ids: Table[tuple[int, int], tuple[int, int]]
    """(venue, trade id) to (day, number) of a trade of the day."""

    def __init__(self, terms: Terms, state_salt: bytes, parent: "State | None" = None) -> None:
        self.terms = terms
        self.salt = state_salt
        self.parent = parent
        """The state that this one is a fork of."""
        self.decided = 0
        """How many forks were folded into this state: a fork that has seen fewer is stale."""
        self.seen = parent.decided if parent else 0
        self.trees: tuple[ModuleTree, ...] = tuple(
            parent.trees[module].fork() if parent else ModuleTree() for module in Module
        )
        self.arrays_cache: RiskArrays | None = parent.arrays_cache if parent else None
        """Risk arrays of this state, once built; dropped when a mark moves. Not part of what is agreed."""
        self.arrays_before: RiskArrays | None = parent.arrays_before if parent else None
        """The arrays last built, from which the next are built where nothing moved. Not part of what is agreed."""
        for name in (*TABLES, *INDEX_TABLES):
            setattr(self, name, getattr(parent, name).fork() if parent else Table())
        self.margin_book: MarginBook | None = None
        """Margins of all accounts, once asked for (`clearing.state.account_margins`). Not part of what is agreed."""
        self.exits_built: ExitTree | None = None
        """The exit tree, when this state is the one that an epoch closed at. Not part of what is agreed."""
        if parent is None:
            for name in LOGGED_TABLES:
                getattr(self, name).log = set()

    @classmethod
    def empty(cls, genesis: Genesis, state_salt: bytes) -> "State":
        """No records at all; `clearing.opening` writes the first. `state_salt`: 32 secret bytes of all validators."""
        if len(state_salt) != 32:
            raise LocalFault(ClearingCode.BAD_SNAPSHOT, "state salt", bytes=len(state_salt))
        return cls(Terms(genesis), state_salt)

    def fork(self) -> "State":
        """A state that starts as this one and writes into itself. Raises LocalFault STALE_FORK."""
        self.check_current()
        self.module_roots()  # so that a child never has to hash what its parent wrote
        return State(self.terms, self.salt, self)

    def absorb(self) -> "State":
        """Decide this fork: fold it into its parent and return the parent.

        Every other fork of that parent is stale from now on; this one and its own forks stay usable.
        """
        self.check_current()
        parent = self.parent
        if parent is None:
            raise LocalFault(ClearingCode.STALE_FORK, "absorb", why="not a fork")
        self.module_roots()
        for name in (*TABLES, *INDEX_TABLES):
            getattr(self, name).absorb()
            getattr(parent, name).dirty.clear()
        for tree in self.trees:
            tree.absorb()
        parent.arrays_cache, parent.arrays_before = self.arrays_cache, self.arrays_before
        parent.terms, parent.exits_built = self.terms, self.exits_built
        if self.margin_book is not None:
            if self.margin_book.below is parent.margin_book and parent.margin_book is not None:
                self.margin_book.absorb()
            else:
                parent.margin_book = self.margin_book
        parent.decided += 1
        self.seen = parent.decided
        return parent

    def check_current(self) -> None:
        """Raise LocalFault STALE_FORK when another fork of a state below was decided instead of this one."""
        state: State | None = self
        while state is not None and state.parent is not None:
            if state.seen != state.parent.decided:
                raise LocalFault(ClearingCode.STALE_FORK, "state", height=self.now.height)
            state = state.parent

    def module_roots(self) -> tuple[Hash32, ...]:
        """Roots in order of `Module`, rehashing what changed since the last call."""
        changes: dict[Module, list[tuple[bytes, bytes | None]]] = {}
        for name, (module, _, _) in TABLES.items():
            table: Table[Any, Any] = getattr(self, name)
            if table.dirty:
                changes.setdefault(module, []).extend(_encoded(name, table))
                table.dirty.clear()
        for module, pairs in changes.items():
            self.trees[module].update(self.salt, pairs)
        return tuple(tree.root for tree in self.trees)

    @property
    def now(self) -> records.ClockRecord:
        """The clock record; zeros before genesis was opened."""
        return self.clock.get(0) or records.ClockRecord(0, 0, 0, 0, 0)


def record_key(table: str, key: Any) -> bytes:
    """Canonical bytes of a record's key, unlike in any two tables."""
    return encode((table, key))


def _encoded(name: str, table: Table[Any, Any]) -> Iterator[tuple[bytes, bytes | None]]:
    for key in table.dirty:
        record = table.get(key)
        yield record_key(name, key), None if record is None else encode(record)
