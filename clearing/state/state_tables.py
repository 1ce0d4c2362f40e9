"""`StateTables`: every table of the state, declared once.

Rule: a table is one annotated attribute here, and nothing else names it in full. It must not know what records mean.
"""

from typing import get_args

from clearing.base.codec import U32, U63, Bytes20, Bytes32
from clearing.base.ids import Hash32
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
from clearing.schema.records.exits import ExitRecord
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
from clearing.state.modules import Declared, HashedTable, Module, hashed
from clearing.state.table import Table


class StateTables:
    """`hashed` tables are part of the root. The others are indexes derived from them (`clearing.state.indexes`): not
    hashed, not exported, rebuilt.
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


def _hashed_tables() -> dict[str, HashedTable]:
    tables = {}
    for attribute, annotation in StateTables.__annotations__.items():
        declared = StateTables.__dict__.get(attribute)
        if isinstance(declared, Declared):
            record = get_args(annotation)[1]
            tables[declared.label] = HashedTable(attribute, declared.label, declared.module, declared.key, record)
    return tables


TABLES = _hashed_tables()
"""Every hashed table by label, as `StateTables` declares it."""
TABLE_ATTRIBUTES = tuple(StateTables.__annotations__)
"""Attribute names of all tables, indexes included."""

LOGGED_TABLES = ("balances", "books")
"""Tables that log what was written, for the margin book (`clearing.state.holdings`)."""
