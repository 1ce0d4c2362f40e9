"""`State`: everything that replicas agree on, in tables, with a root per module.

Rule: a block never changes a state, but a fork of it. Forking costs nothing, deciding a fork (`absorb`) costs what the
fork wrote, and roots cost what changed. The order of `Module` is the order of the roots in the header. It must not know
what the records mean.
"""

from collections.abc import Iterator
from enum import IntEnum
from typing import Any, NamedTuple, get_args

from clearing.base.codec import U32, U63, Bytes20, Bytes32, encode
from clearing.base.errors import LocalFault
from clearing.base.ids import Hash32
from clearing.genesis.effective_terms import Terms
from clearing.margin.requirement.known_spares import KnownSpares
from clearing.margin.requirement.margin_book import MarginBook
from clearing.margin.risk_arrays.arrays import RiskArrays
from clearing.margin.statement.stress import StressArrays
from clearing.schema.codes import ClearingCode
from clearing.schema.records.accounts import (
    Account,
    AccrualRecord,
    AffiliationRecord,
    Balance,
    Book,
    ClockRecord,
    LoanRecord,
    Member,
    MemberAccounts,
    NonceRecord,
    RestrictionRecord,
    SealedSeedRecord,
    StandbyRecord,
)
from clearing.schema.records.collateral import (
    AgreedDepositRecord,
    AssetFlowRecord,
    AssetHaltRecord,
    AttestationsRecord,
    CashCallRecord,
    ChainSilenceRecord,
    CustodyRecord,
    DepegGuardRecord,
    DepositCursorRecord,
    HaircutRecord,
    HeartbeatRecord,
    SoftCreditRecord,
)
from clearing.schema.records.default import (
    AssessmentRecord,
    ContributionRecord,
    DefaultBidRecord,
    DefaultCounters,
    DefaultRecord,
    FundAllowance,
    FundSizeRecord,
    GainsLiabilityRecord,
    GainsWindow,
    MemberStatusRecord,
    PositionChangesRecord,
)
from clearing.schema.records.exits import ExitRecord, ExitTree
from clearing.schema.records.governance import (
    AmendmentRecord,
    DetachedVaultRecord,
    GovernanceCounters,
    HaltRecord,
    ProposalRecord,
    ProtocolRecord,
    RemovedOffencesRecord,
    VoteRecord,
)
from clearing.schema.records.margin_calls import LiquidationRecord, MarginCallRecord
from clearing.schema.records.prices import (
    AuctionOrder,
    AveragingRecord,
    ChainDelayRecord,
    FeedState,
    HistoricalMovesRecord,
    JointScenariosRecord,
    Mark,
    MovesRecord,
    PremiumRecord,
    PriceReportRecord,
    PublishedRangeRecord,
    RangeClockRecord,
    VarianceRecord,
)
from clearing.schema.records.recoveries import InventorySaleRecord, RecoveryRecord
from clearing.schema.records.stray_deposits import (
    DepositRefundRecord,
    OpenRefundRecord,
    QueuedRefundRecord,
    RefundedDepositRecord,
    RefundQueueRecord,
    StrayDepositRecord,
)
from clearing.schema.records.surfaces import SurfaceReportRecord, SurfaceState
from clearing.schema.records.trades import (
    DayTrade,
    DueTrade,
    MandateRecord,
    NovatedTradeRecord,
    PendingTradeRecord,
    SessionKeysRecord,
    TradeKey,
    UsedTradeIdsRecord,
    VenueDay,
    VenueState,
)
from clearing.schema.records.validators import (
    HeightTimesRecord,
    OffencesRecord,
    ScheduledAdditionRecord,
    SetChangeRecord,
    SetNumbersRecord,
    ValidatorSetRecord,
)
from clearing.schema.records.withdrawals import (
    DelayedWithdrawalCounter,
    DelayedWithdrawalRecord,
    ExpiredWithdrawalRecord,
    GuardianOrderRecord,
    HeldRefundRecord,
    InflowVolumeRecord,
    RefundDueRecord,
    ReleasedWithdrawalRecord,
    ValueWithdrawnRecord,
    WaitingInflowRecord,
    WithdrawalVolumeRecord,
)
from clearing.schema.terms.genesis import Genesis
from clearing.state.table import Table
from clearing.state.tree import ModuleTree


class Module(IntEnum):
    """Modules: parts of the state with a root of their own."""

    LEDGER = 0
    POSITIONS = 1
    PRICES = 2
    MEMBERS = 3
    BRIDGE = 4
    RISK = 5
    REQUESTS = 6
    WITHDRAWALS = 7
    VALIDATORS = 8


LOGGED_TABLES = ("balances", "books")
"""Tables that log what was written, for the margin book (`clearing.state.holdings`)."""


class HashedTable(NamedTuple):
    """A table that is part of the state root: its attribute of `State`, and its label inside the leaves."""

    attribute: str
    label: str
    """Inside the leaves and exports. Never renamed, whatever the attribute's name."""
    module: Module
    key: Any
    record: Any


class _Declared(NamedTuple):
    label: str
    module: Module
    key: Any


def hashed(label: str, module: Module, key: Any) -> Any:
    """Declare a hashed table of `State`: its label inside the leaves, its module, the type of its keys."""
    return _Declared(label, module, key)


class State:
    """All tables. Rules read and write records through them; money moves only through `clearing.state.ledger`.

    Each table is declared once, here. `hashed` tables are part of the root. The others are indexes derived from them
    (`clearing.state.indexes`): not hashed, not exported, rebuilt.
    """

    balances: Table[tuple[int, int], Balance] = hashed("balances", Module.LEDGER, tuple[U63, U63])
    books: Table[int, Book] = hashed("books", Module.POSITIONS, U63)
    marks: Table[int, Mark] = hashed("marks", Module.PRICES, U32)
    feeds: Table[int, FeedState] = hashed("feeds", Module.PRICES, U32)
    price_reports: Table[tuple[int, int], PriceReportRecord] = hashed("reports", Module.PRICES, tuple[U32, U32])
    premia: Table[int, PremiumRecord] = hashed("premia", Module.PRICES, U32)
    settlement_averages: Table[int, AveragingRecord] = hashed("averages", Module.PRICES, U32)
    auction_orders: Table[tuple[int, int], AuctionOrder] = hashed("auction_orders", Module.PRICES, tuple[U32, U63])
    members: Table[int, Member] = hashed("members", Module.MEMBERS, U63)
    accounts: Table[int, Account] = hashed("accounts", Module.MEMBERS, U63)
    deposit_cursors: Table[tuple[int, bytes], DepositCursorRecord] = hashed(
        "cursors", Module.BRIDGE, tuple[U63, Bytes20]
    )
    fact_attestations: Table[tuple[int, int, bytes, int], AttestationsRecord] = hashed(
        "claims", Module.BRIDGE, tuple[U32, U63, Bytes20, U63]
    )
    agreed_deposits: Table[tuple[int, bytes, int], AgreedDepositRecord] = hashed(
        "agreed", Module.BRIDGE, tuple[U63, Bytes20, U63]
    )
    stray_deposits: Table[tuple[int, bytes, int], StrayDepositRecord] = hashed(
        "strays", Module.BRIDGE, tuple[U63, Bytes20, U63]
    )
    """(chain id, vault, nonce of the deposit): those that may still be credited."""
    refunded_deposits: Table[tuple[int, bytes, int], RefundedDepositRecord] = hashed(
        "refunded_deposits", Module.BRIDGE, tuple[U63, Bytes20, U63]
    )
    """(chain id, vault, nonce of the deposit): strays that became part of a refund."""
    deposit_refunds: Table[tuple[int, bytes, int], DepositRefundRecord] = hashed(
        "deposit_refunds", Module.BRIDGE, tuple[U63, Bytes20, U63]
    )
    """(chain id, vault, number from 1)."""
    open_refunds: Table[tuple[int, bytes, bytes, bytes], OpenRefundRecord] = hashed(
        "open_refunds", Module.BRIDGE, tuple[U63, Bytes20, Bytes20, Bytes20]
    )
    """(chain id, vault, token, depositor)."""
    refund_queues: Table[tuple[int, bytes], RefundQueueRecord] = hashed(
        "refund_queues", Module.BRIDGE, tuple[U63, Bytes20]
    )
    """(chain id, vault)."""
    queued_refunds: Table[tuple[int, bytes, int], QueuedRefundRecord] = hashed(
        "queued_refunds", Module.BRIDGE, tuple[U63, Bytes20, U63]
    )
    """(chain id, vault, place)."""
    asset_flows: Table[int, AssetFlowRecord] = hashed("flows", Module.BRIDGE, U32)
    unlisted_flows: Table[tuple[int, bytes, bytes], AssetFlowRecord] = hashed(
        "unlisted_flows", Module.BRIDGE, tuple[U63, Bytes20, Bytes20]
    )
    """(chain id, vault, token): flows of tokens that a vault accepted and the terms don't list."""
    custody_attestations: Table[int, AttestationsRecord] = hashed("custody_claims", Module.BRIDGE, U32)
    custody: Table[int, CustodyRecord] = hashed("custody", Module.BRIDGE, U32)
    asset_halts: Table[int, AssetHaltRecord] = hashed("asset_halts", Module.BRIDGE, U32)
    """By asset, until a vote releases it."""
    heartbeats: Table[tuple[int, int], HeartbeatRecord] = hashed("beats", Module.BRIDGE, tuple[U63, U32])
    clock: Table[int, ClockRecord] = hashed("clock", Module.RISK, U32)
    nonces: Table[int, NonceRecord] = hashed("nonces", Module.REQUESTS, U63)
    novated_trades: Table[TradeKey, NovatedTradeRecord] = hashed("trades", Module.REQUESTS, tuple[U63, U63, U63, U63])
    """(venue label, trade id, lower account, higher account) of bilateral trades."""
    withdrawals: Table[int, ReleasedWithdrawalRecord] = hashed("withdrawals", Module.WITHDRAWALS, U63)
    guardian_orders: Table[int, GuardianOrderRecord] = hashed("guardian_orders", Module.WITHDRAWALS, U63)
    """By nonce: leaves of the withdrawals tree that are no withdrawals."""
    price_ranges: Table[int, PublishedRangeRecord] = hashed("ranges", Module.RISK, U32)
    """By risk group; none before the first publication."""
    variances: Table[int, VarianceRecord] = hashed("variances", Module.RISK, U32)
    """By risk group."""
    returns: Table[int, MovesRecord] = hashed("returns", Module.RISK, U32)
    """By number of the observation modulo the window."""
    range_clock: Table[int, RangeClockRecord] = hashed("range_clock", Module.RISK, U32)
    chain_delays: Table[int, ChainDelayRecord] = hashed("chain_delays", Module.RISK, U63)
    joint_scenarios: Table[int, JointScenariosRecord] = hashed("joint", Module.RISK, U32)
    level_variances: Table[int, VarianceRecord] = hashed("level_variances", Module.RISK, U32)
    """Of volatility levels, in the place of prices, by risk group."""
    level_moves: Table[int, MovesRecord] = hashed("level_moves", Module.RISK, U32)
    """By the number of `returns`."""
    historical_moves: Table[int, HistoricalMovesRecord] = hashed("historical_moves", Module.RISK, U32)
    member_accounts: Table[int, MemberAccounts] = hashed("member_accounts", Module.MEMBERS, U63)
    venues: Table[int, VenueState] = hashed("venues", Module.MEMBERS, U63)
    mandates: Table[tuple[int, int], MandateRecord] = hashed("mandates", Module.MEMBERS, tuple[U63, U63])
    """(account, venue)."""
    session_keys: Table[int, SessionKeysRecord] = hashed("session_keys", Module.MEMBERS, U63)
    """By account."""
    used_trade_ids: Table[tuple[int, int], UsedTradeIdsRecord] = hashed("venue_ids", Module.REQUESTS, tuple[U63, U63])
    """(venue, trade id // 256)."""
    pending_trades: Table[TradeKey, PendingTradeRecord] = hashed(
        "held_trades", Module.REQUESTS, tuple[U63, U63, U63, U63]
    )
    """(venue, trade id, 0, 0), or as in `novated_trades`."""
    venue_days: Table[tuple[int, int], VenueDay] = hashed("venue_days", Module.REQUESTS, tuple[U63, U63])
    """(venue, days since 1970)."""
    day_trades: Table[tuple[int, int, int], DayTrade] = hashed("day_trades", Module.REQUESTS, tuple[U63, U63, U63])
    """(venue, day, number in the day)."""
    haircuts: Table[int, HaircutRecord] = hashed("haircuts", Module.RISK, U32)
    depeg_guards: Table[int, DepegGuardRecord] = hashed("guards", Module.RISK, U32)
    soft_credits: Table[tuple[int, bytes, int], SoftCreditRecord] = hashed(
        "soft_credits", Module.BRIDGE, tuple[U63, Bytes20, U63]
    )
    loans: Table[tuple[int, int], LoanRecord] = hashed("loans", Module.LEDGER, tuple[U63, U32])
    restrictions: Table[int, RestrictionRecord] = hashed("restrictions", Module.MEMBERS, U63)
    interest_accruals: Table[int, AccrualRecord] = hashed("accruals", Module.LEDGER, U32)
    cash_calls: Table[int, CashCallRecord] = hashed("cash_calls", Module.RISK, U63)
    chain_silences: Table[int, ChainSilenceRecord] = hashed("silences", Module.BRIDGE, U63)
    validator_sets: Table[int, ValidatorSetRecord] = hashed("validator_sets", Module.VALIDATORS, U63)
    """By number; `clearing.validators.validator_sets` decides which are kept."""
    set_numbers: Table[int, SetNumbersRecord] = hashed("seats", Module.VALIDATORS, U32)
    set_changes: Table[int, SetChangeRecord] = hashed("changes", Module.VALIDATORS, U32)
    """The change under way, under 0."""
    scheduled_additions: Table[int, ScheduledAdditionRecord] = hashed("entries", Module.VALIDATORS, U32)
    """The scheduled change, under 0."""
    offences: Table[tuple[bytes, int], OffencesRecord] = hashed("offences", Module.VALIDATORS, tuple[Bytes32, U32])
    """(envelope key, kind of misbehaviour)."""
    height_times: Table[int, HeightTimesRecord] = hashed("height_times", Module.VALIDATORS, U32)
    """Under 0; `clearing.validators.evidence_age`."""
    exits: Table[int, ExitRecord] = hashed("exits", Module.WITHDRAWALS, U63)
    """By epoch: the newest that closed, and the one before it, whose root is in headers."""
    fund_sizes: Table[int, FundSizeRecord] = hashed("fund_sizes", Module.RISK, U32)
    """The last sizing, under 0."""
    contributions: Table[int, ContributionRecord] = hashed("contributions", Module.LEDGER, U63)
    """By member."""
    owner_withdrawal_volumes: Table[tuple[int, bytes], WithdrawalVolumeRecord] = hashed(
        "gate_owners", Module.REQUESTS, tuple[U32, Bytes20]
    )
    """(asset, address that signs for the money)."""
    total_withdrawal_volumes: Table[int, WithdrawalVolumeRecord] = hashed("gate_totals", Module.REQUESTS, U32)
    """By asset."""
    delayed_withdrawals: Table[int, DelayedWithdrawalRecord] = hashed("waiting", Module.WITHDRAWALS, U63)
    """By number, in order of acceptance."""
    delayed_withdrawal_counter: Table[int, DelayedWithdrawalCounter] = hashed("waiting_clock", Module.WITHDRAWALS, U32)
    expired_withdrawals: Table[int, ExpiredWithdrawalRecord] = hashed("not_paid", Module.WITHDRAWALS, U63)
    """By nonce of the withdrawal."""
    refunds_due: Table[int, RefundDueRecord] = hashed("give_back_due", Module.WITHDRAWALS, U63)
    """By nonce, those in `expired_withdrawals` that are not refunded yet."""
    values_withdrawn: Table[int, ValueWithdrawnRecord] = hashed("deficit_left", Module.REQUESTS, U63)
    """By account, and under `clearing.withdrawals.deficit_reserve.ALL_ACCOUNTS`."""
    inflow_volumes: Table[tuple[int, bytes], InflowVolumeRecord] = hashed(
        "inflow_volumes", Module.REQUESTS, tuple[U63, Bytes20]
    )
    """(0, owner), or (chain id, zeros)."""
    waiting_inflows: Table[int, WaitingInflowRecord] = hashed("waiting_inflows", Module.REQUESTS, U63)
    """By account."""
    held_refunds: Table[tuple[int, bytes, int], HeldRefundRecord] = hashed(
        "held_refunds", Module.REQUESTS, tuple[U63, Bytes20, U63]
    )
    """(chain id, vault, number), as `deposit_refunds`."""
    margin_calls: Table[int, MarginCallRecord] = hashed("margin_calls", Module.RISK, U63)
    """By account."""
    liquidations: Table[int, LiquidationRecord] = hashed("liquidations", Module.RISK, U63)
    """By account."""
    governance_counters: Table[int, GovernanceCounters] = hashed("governance", Module.VALIDATORS, U32)
    proposals: Table[bytes, ProposalRecord] = hashed("proposals", Module.VALIDATORS, Bytes32)
    votes: Table[tuple[int, bytes], VoteRecord] = hashed("votes", Module.VALIDATORS, tuple[U63, Bytes32])
    amendments: Table[int, AmendmentRecord] = hashed("amendments", Module.VALIDATORS, U63)
    """All enacted amendments; `terms` are genesis and these."""
    protocol: Table[int, ProtocolRecord] = hashed("protocol", Module.VALIDATORS, U32)
    """Under 0; `clearing.state.protocol_version`."""
    halts: Table[int, HaltRecord] = hashed("halts", Module.VALIDATORS, U32)
    """By instrument."""
    detached_vaults: Table[tuple[int, bytes], DetachedVaultRecord] = hashed(
        "struck", Module.VALIDATORS, tuple[U63, Bytes20]
    )
    removed_offences: Table[tuple[bytes, int], RemovedOffencesRecord] = hashed(
        "forgiven", Module.VALIDATORS, tuple[Bytes32, U32]
    )
    member_statuses: Table[int, MemberStatusRecord] = hashed("standings", Module.MEMBERS, U63)
    """By member; without a record a member is active."""
    defaults: Table[int, DefaultRecord] = hashed("defaults", Module.RISK, U63)
    """By number, from 1."""
    default_counters: Table[int, DefaultCounters] = hashed("default_clock", Module.RISK, U32)
    default_bids: Table[tuple[int, int], DefaultBidRecord] = hashed("default_bids", Module.REQUESTS, tuple[U63, U63])
    """(default, member)."""
    assessments: Table[int, AssessmentRecord] = hashed("assessments", Module.RISK, U63)
    """By member."""
    gains_liabilities: Table[tuple[int, int], GainsLiabilityRecord] = hashed(
        "gains_liabilities", Module.RISK, tuple[U63, U63]
    )
    """(default, account), while the default is open."""
    gains_windows: Table[int, GainsWindow] = hashed("windows", Module.RISK, U63)
    """By member, while it does not cover its margins."""
    position_changes: Table[int, PositionChangesRecord] = hashed("shifts", Module.RISK, U63)
    """By account, while there are gains windows."""
    affiliations: Table[tuple[int, bytes, int, bytes], AffiliationRecord] = hashed(
        "affiliations", Module.MEMBERS, tuple[U63, Bytes20, U63, Bytes20]
    )
    """(member, client, member, client) of two owners, the lower first; `clearing.context.affiliation`."""
    fund_allowances: Table[int, FundAllowance] = hashed("fund_allowances", Module.RISK, U63)
    """By member, while the fund's terms cover growth."""
    inventory_sales: Table[int, InventorySaleRecord] = hashed("inventory_sales", Module.RISK, U32)
    """The disposal of the house's positions, under 0."""
    recoveries: Table[int, RecoveryRecord] = hashed("recoveries", Module.RISK, U63)
    """By number of the default, while something may still come in."""
    standbys: Table[int, StandbyRecord] = hashed("standbys", Module.MEMBERS, U63)
    """By client's account, until it is ported or closed."""
    sealed_seeds: Table[int, SealedSeedRecord] = hashed("sealed_seeds", Module.MEMBERS, U63)
    """By account, while its owner chooses the seed of its commitments."""
    surface_reports: Table[tuple[int, int], SurfaceReportRecord] = hashed(
        "surface_reports", Module.PRICES, tuple[U32, U32]
    )
    """(risk group, validator)."""
    surfaces: Table[int, SurfaceState] = hashed("surfaces", Module.PRICES, U32)
    """By risk group; none before the first agreement."""
    holders: Table[tuple[int, int], tuple[tuple[int, ...], ...]]
    """(0, instrument) or (1, currency): the accounts that hold it, ordered, in pieces (`clearing.state.indexes`);
    (2, 0): the accounts under a margin call; (3, member): its accounts and its clients'."""
    expiring_trades: Table[tuple[int, int], TradeKey]
    """(second, n): the n-th trade id that can be deleted after that second."""
    expiring_trade_counts: Table[int, int]
    """Number of trade ids by second."""
    withdrawals_nodes: Table[tuple[int, int], Hash32]
    """(level, index): a node of the withdrawals tree."""
    unpaid_withdrawals: Table[int, int]
    """By nonce, released withdrawals that are neither executed nor refunded: the asset of each."""
    pending_by_due_time: Table[int, tuple[DueTrade, ...]]
    """Under 0: all pending trades, ordered."""
    pending_counts: Table[int, int]
    """By account: of how many pending trades it is a side."""
    day_trade_ids: Table[tuple[int, int], tuple[int, int]]
    """(venue, trade id): (day, number) of the trade in that day."""

    def __init__(self, terms: Terms, state_salt: bytes, parent: "State | None" = None) -> None:
        self.terms = terms
        self.salt = state_salt
        self.parent = parent
        """The state that this one is a fork of."""
        self.absorbed_forks = 0
        """How many forks were merged into this state. A fork that has seen fewer is stale."""
        self.parent_absorbed_forks = parent.absorbed_forks if parent else 0
        self.trees: tuple[ModuleTree, ...] = tuple(
            parent.trees[module].fork() if parent else ModuleTree() for module in Module
        )
        self.arrays_cache: RiskArrays | None = parent.arrays_cache if parent else None
        """Risk arrays of this state, once built; dropped when a mark moves. Not part of what is agreed."""
        self.previous_arrays: RiskArrays | None = parent.previous_arrays if parent else None
        """The arrays last built, reused where nothing moved. Not part of what is agreed."""
        self.known_spares: KnownSpares | None = parent.known_spares if parent else None
        """What accounts that traded had to spare under the arrays that it names. Not part of what is agreed."""
        self.known_stress: tuple[RiskArrays, StressArrays] | None = parent.known_stress if parent else None
        """The stress scenarios' arrays beside the risk arrays that they belong to. Not part of what is agreed."""
        for name in TABLE_ATTRIBUTES:
            setattr(self, name, getattr(parent, name).fork() if parent else Table())
        self.margin_book: MarginBook | None = None
        """Margins of all accounts, once requested (`clearing.state.holdings`). Not part of what is agreed."""
        self.exit_tree: ExitTree | None = None
        """The exit tree, when an epoch closed at this state. Not part of what is agreed."""
        if parent is None:
            for name in LOGGED_TABLES:
                getattr(self, name).write_log = set()

    @classmethod
    def empty(cls, genesis: Genesis, state_salt: bytes) -> "State":
        """A state without records; `clearing.initial_state` writes the first. `state_salt`: 32 secret bytes of
        all validators."""
        if len(state_salt) != 32:
            raise LocalFault(ClearingCode.BAD_SNAPSHOT, "state salt", bytes=len(state_salt))
        return cls(Terms(genesis), state_salt)

    def fork(self) -> "State":
        """A fork: it reads through to this state and writes into itself. Raises LocalFault STALE_FORK."""
        self.check_current()
        self.module_roots()  # so that a child never has to hash its parent's writes
        return State(self.terms, self.salt, self)

    def absorb(self) -> "State":
        """Decide this fork: merge it into its parent and return the parent.

        Every other fork of that parent becomes stale. This one and its own forks stay usable.
        """
        self.check_current()
        parent = self.parent
        if parent is None:
            raise LocalFault(ClearingCode.STALE_FORK, "absorb", why="not a fork")
        self.module_roots()
        for name in TABLE_ATTRIBUTES:
            getattr(self, name).absorb()
            getattr(parent, name).dirty.clear()
        for tree in self.trees:
            tree.absorb()
        parent.arrays_cache, parent.previous_arrays = self.arrays_cache, self.previous_arrays
        parent.known_spares, parent.known_stress = self.known_spares, self.known_stress
        parent.terms, parent.exit_tree = self.terms, self.exit_tree
        if self.margin_book is not None:
            if self.margin_book.below is parent.margin_book and parent.margin_book is not None:
                self.margin_book.absorb()
            else:
                parent.margin_book = self.margin_book
        parent.absorbed_forks += 1
        self.parent_absorbed_forks = parent.absorbed_forks
        return parent

    def check_current(self) -> None:
        """Raise LocalFault STALE_FORK when another fork of an ancestor was decided instead."""
        state: State | None = self
        while state is not None and state.parent is not None:
            if state.parent_absorbed_forks != state.parent.absorbed_forks:
                raise LocalFault(ClearingCode.STALE_FORK, "state", height=self.now.height)
            state = state.parent

    def module_roots(self) -> tuple[Hash32, ...]:
        """Roots in the order of `Module`. Rehashes what changed since the last call."""
        changes: dict[Module, list[tuple[bytes, bytes | None]]] = {}
        for label, declared in TABLES.items():
            table: Table[Any, Any] = getattr(self, declared.attribute)
            if table.dirty:
                changes.setdefault(declared.module, []).extend(_encoded(label, table))
                table.dirty.clear()
        for module, pairs in changes.items():
            self.trees[module].update(self.salt, pairs)
        return tuple(tree.root for tree in self.trees)

    @property
    def now(self) -> ClockRecord:
        """The clock record; zeros before genesis is opened."""
        return self.clock.get(0) or ClockRecord(0, 0, 0, 0, 0)


def _hashed_tables() -> dict[str, HashedTable]:
    tables = {}
    for attribute, annotation in State.__annotations__.items():
        declared = State.__dict__.get(attribute)
        if isinstance(declared, _Declared):
            record = get_args(annotation)[1]
            tables[declared.label] = HashedTable(attribute, declared.label, declared.module, declared.key, record)
    return tables


TABLES = _hashed_tables()
"""Every hashed table by label, as `State` declares it."""
TABLE_ATTRIBUTES = tuple(State.__annotations__)
"""Attribute names of all tables of `State`, indexes included."""


def record_key(label: str, key: Any) -> bytes:
    """Canonical bytes of a record's key, distinct between tables. `label`: of the table."""
    return encode((label, key))


def _encoded(label: str, table: Table[Any, Any]) -> Iterator[tuple[bytes, bytes | None]]:
    for key in table.dirty:
        record = table.get(key)
        yield record_key(label, key), None if record is None else encode(record)
