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
from clearing.calls import records as call_records
from clearing.codes import ClearingCode
from clearing.default import records as default_records
from clearing.exits import records as exit_records
from clearing.exits.leaves import ExitTree
from clearing.fund import records as fund_records
from clearing.gates import records as gate_records
from clearing.genesis import Genesis
from clearing.governance import records as governance_records
from clearing.liquidation import records as liquidation_records
from clearing.margin.arrays import RiskArrays
from clearing.margin.book import MarginBook
from clearing.ranges import records as range_records
from clearing.state import records
from clearing.state.table import Table
from clearing.state.terms import Terms
from clearing.state.tree import Tree
from clearing.validators import records as validator_records


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
    "marks": (Module.PRICES, U32, records.Mark),
    "feeds": (Module.PRICES, U32, records.FeedState),
    "reports": (Module.PRICES, tuple[U32, U32], records.ReportHeld),
    "premia": (Module.PRICES, U32, records.Premium),
    "averages": (Module.PRICES, U32, records.Averaged),
    "auction_orders": (Module.PRICES, tuple[U32, U63], records.AuctionOrder),
    "members": (Module.MEMBERS, U63, records.Member),
    "accounts": (Module.MEMBERS, U63, records.Account),
    "cursors": (Module.BRIDGE, tuple[U63, Bytes20], records.Cursor),
    "claims": (Module.BRIDGE, tuple[U32, U63, Bytes20, U63], records.Claim),
    "agreed": (Module.BRIDGE, tuple[U63, Bytes20, U63], records.Agreed),
    "strays": (Module.BRIDGE, tuple[U63, Bytes20, U63], records.Stray),
    "flows": (Module.BRIDGE, U32, records.Flow),
    "custody_claims": (Module.BRIDGE, U32, records.Claim),
    "custody": (Module.BRIDGE, U32, records.Custody),
    "beats": (Module.BRIDGE, tuple[U63, U32], records.Beat),
    "clock": (Module.RISK, U32, records.Clock),
    "nonces": (Module.REQUESTS, U63, records.Nonce),
    "trades": (Module.REQUESTS, tuple[U63, U63, U63, U63], records.TradeSeen),
    "withdrawals": (Module.WITHDRAWALS, U63, records.Released),
    "ranges": (Module.RISK, U32, range_records.PublishedRange),
    "variances": (Module.RISK, U32, range_records.Variance),
    "returns": (Module.RISK, U32, range_records.Moves),
    "range_clock": (Module.RISK, U32, range_records.RangeClock),
    "chain_delays": (Module.RISK, U63, range_records.ChainDelay),
    "joint": (Module.RISK, U32, range_records.JointHeld),
    "member_accounts": (Module.MEMBERS, U63, records.MemberAccounts),
    "venues": (Module.MEMBERS, U63, records.VenueState),
    "mandates": (Module.MEMBERS, tuple[U63, U63], records.MandateHeld),
    "venue_ids": (Module.REQUESTS, tuple[U63, U63], records.IdsUsed),
    "held_trades": (Module.REQUESTS, tuple[U63, U63, U63, U63], records.HeldTrade),
    "venue_days": (Module.REQUESTS, tuple[U63, U63], records.VenueDay),
    "day_trades": (Module.REQUESTS, tuple[U63, U63, U63], records.DayTrade),
    "haircuts": (Module.RISK, U32, records.Haircut),
    "guards": (Module.RISK, U32, records.Guard),
    "soft_credits": (Module.BRIDGE, tuple[U63, Bytes20, U63], records.SoftCredit),
    "loans": (Module.LEDGER, tuple[U63, U32], records.Loan),
    "restrictions": (Module.MEMBERS, U63, records.Restriction),
    "accruals": (Module.LEDGER, U32, records.Accrual),
    "cash_calls": (Module.RISK, U63, records.CashCall),
    "silences": (Module.BRIDGE, U63, records.Silence),
    "validator_sets": (Module.VALIDATORS, U63, validator_records.SetHeld),
    "seats": (Module.VALIDATORS, U32, validator_records.Seats),
    "changes": (Module.VALIDATORS, U32, validator_records.ChangeHeld),
    "entries": (Module.VALIDATORS, U32, validator_records.EntryHeld),
    "offences": (Module.VALIDATORS, tuple[Bytes32, U32], validator_records.Offences),
    "exits": (Module.WITHDRAWALS, U32, exit_records.ExitHeld),
    "fund_sizes": (Module.RISK, U32, fund_records.FundSize),
    "contributions": (Module.LEDGER, U63, fund_records.Contribution),
    "gate_owners": (Module.REQUESTS, tuple[U32, Bytes20], gate_records.GateUsed),
    "gate_totals": (Module.REQUESTS, U32, gate_records.GateUsed),
    "waiting": (Module.WITHDRAWALS, U63, gate_records.Waiting),
    "waiting_clock": (Module.WITHDRAWALS, U32, gate_records.WaitingClock),
    "not_paid": (Module.WITHDRAWALS, U63, gate_records.NotPaid),
    "give_back_due": (Module.WITHDRAWALS, U63, gate_records.GiveBackDue),
    "deficit_left": (Module.REQUESTS, U63, gate_records.DeficitLeft),
    "margin_calls": (Module.RISK, U63, call_records.MarginDeadline),
    "liquidations": (Module.RISK, U63, liquidation_records.Liquidation),
    "governance": (Module.VALIDATORS, U32, governance_records.GovernanceClock),
    "proposals": (Module.VALIDATORS, Bytes32, governance_records.ProposalHeld),
    "votes": (Module.VALIDATORS, tuple[U63, Bytes32], governance_records.VoteHeld),
    "amendments": (Module.VALIDATORS, U63, governance_records.AmendmentHeld),
    "halts": (Module.VALIDATORS, U32, governance_records.HaltHeld),
    "struck": (Module.VALIDATORS, tuple[U63, Bytes20], governance_records.Struck),
    "forgiven": (Module.VALIDATORS, tuple[Bytes32, U32], governance_records.Forgiven),
    "standings": (Module.MEMBERS, U63, default_records.Standing),
    "defaults": (Module.RISK, U63, default_records.DefaultHeld),
    "default_clock": (Module.RISK, U32, default_records.DefaultClock),
    "default_bids": (Module.REQUESTS, tuple[U63, U63], default_records.BidHeld),
    "assessments": (Module.RISK, U63, default_records.Assessed),
    "windows": (Module.RISK, U63, default_records.Window),
    "shifts": (Module.RISK, U63, default_records.Shifts),
}
"""Name, module, type of key and record of every table that is hashed. Names are inside the leaves: never renamed."""

INDEXES = ("holders", "due", "due_counts", "nodes", "held_order", "held_counts", "day_ids")
"""Tables derived from the others (`clearing.state.indexes`): not hashed, not exported, rebuilt."""

LOGGED = ("balances", "books")
"""Tables that note what was written, for the margin book (`clearing.margins`)."""


class State:
    """All tables. Records are read and written through them; money only through `clearing.ledger`."""

    balances: Table[tuple[int, int], records.Balance]
    books: Table[int, records.Book]
    marks: Table[int, records.Mark]
    feeds: Table[int, records.FeedState]
    reports: Table[tuple[int, int], records.ReportHeld]
    premia: Table[int, records.Premium]
    averages: Table[int, records.Averaged]
    auction_orders: Table[tuple[int, int], records.AuctionOrder]
    members: Table[int, records.Member]
    accounts: Table[int, records.Account]
    cursors: Table[tuple[int, bytes], records.Cursor]
    claims: Table[tuple[int, int, bytes, int], records.Claim]
    agreed: Table[tuple[int, bytes, int], records.Agreed]
    strays: Table[tuple[int, bytes, int], records.Stray]
    flows: Table[int, records.Flow]
    custody_claims: Table[int, records.Claim]
    custody: Table[int, records.Custody]
    beats: Table[tuple[int, int], records.Beat]
    clock: Table[int, records.Clock]
    nonces: Table[int, records.Nonce]
    trades: Table[tuple[int, int, int, int], records.TradeSeen]
    """(venue label, trade id, lower account, higher account) of bilateral trades."""
    withdrawals: Table[int, records.Released]
    ranges: Table[int, range_records.PublishedRange]
    """By risk group; none before the first publication."""
    variances: Table[int, range_records.Variance]
    """By risk group."""
    returns: Table[int, range_records.Moves]
    """By number of the observation modulo the window."""
    range_clock: Table[int, range_records.RangeClock]
    chain_delays: Table[int, range_records.ChainDelay]
    joint: Table[int, range_records.JointHeld]
    member_accounts: Table[int, records.MemberAccounts]
    venues: Table[int, records.VenueState]
    mandates: Table[tuple[int, int], records.MandateHeld]
    """(account, venue)."""
    venue_ids: Table[tuple[int, int], records.IdsUsed]
    """(venue, trade id // 256)."""
    held_trades: Table[tuple[int, int, int, int], records.HeldTrade]
    """(venue, trade id, 0, 0), or as in `trades`."""
    venue_days: Table[tuple[int, int], records.VenueDay]
    """(venue, days since 1970)."""
    day_trades: Table[tuple[int, int, int], records.DayTrade]
    """(venue, day, number in the day)."""
    haircuts: Table[int, records.Haircut]
    guards: Table[int, records.Guard]
    soft_credits: Table[tuple[int, bytes, int], records.SoftCredit]
    loans: Table[tuple[int, int], records.Loan]
    restrictions: Table[int, records.Restriction]
    accruals: Table[int, records.Accrual]
    cash_calls: Table[int, records.CashCall]
    silences: Table[int, records.Silence]
    validator_sets: Table[int, validator_records.SetHeld]
    """By number; `clearing.validators.sets` says which stay."""
    seats: Table[int, validator_records.Seats]
    changes: Table[int, validator_records.ChangeHeld]
    """The one under way, under 0."""
    entries: Table[int, validator_records.EntryHeld]
    """The one that waits to begin, under 0."""
    offences: Table[tuple[bytes, int], validator_records.Offences]
    """(envelope key, kind of misbehaviour)."""
    exits: Table[int, exit_records.ExitHeld]
    """The newest closed epoch's, under 0."""
    margin_calls: Table[int, call_records.MarginDeadline]
    """By account."""
    liquidations: Table[int, liquidation_records.Liquidation]
    """By account."""
    governance: Table[int, governance_records.GovernanceClock]
    proposals: Table[bytes, governance_records.ProposalHeld]
    votes: Table[tuple[int, bytes], governance_records.VoteHeld]
    amendments: Table[int, governance_records.AmendmentHeld]
    """All that ever took effect; `terms` are genesis and these."""
    halts: Table[int, governance_records.HaltHeld]
    """By instrument."""
    struck: Table[tuple[int, bytes], governance_records.Struck]
    forgiven: Table[tuple[bytes, int], governance_records.Forgiven]
    gate_owners: Table[tuple[int, bytes], gate_records.GateUsed]
    """(asset, address that signs for the money)."""
    gate_totals: Table[int, gate_records.GateUsed]
    """By asset."""
    waiting: Table[int, gate_records.Waiting]
    """By number, in order of acceptance."""
    waiting_clock: Table[int, gate_records.WaitingClock]
    not_paid: Table[int, gate_records.NotPaid]
    """By nonce of the withdrawal."""
    give_back_due: Table[int, gate_records.GiveBackDue]
    """Nonces of those in `not_paid` that are not given back yet."""
    deficit_left: Table[int, gate_records.DeficitLeft]
    """By account, and under `clearing.gates.deficits.ALL`."""
    fund_sizes: Table[int, fund_records.FundSize]
    """The last, under 0."""
    contributions: Table[int, fund_records.Contribution]
    """By member."""
    standings: Table[int, default_records.Standing]
    """By member; none: active."""
    defaults: Table[int, default_records.DefaultHeld]
    """By number, from 1."""
    default_clock: Table[int, default_records.DefaultClock]
    default_bids: Table[tuple[int, int], default_records.BidHeld]
    """(default, member)."""
    assessments: Table[int, default_records.Assessed]
    """By member."""
    windows: Table[int, default_records.Window]
    """By member."""
    shifts: Table[int, default_records.Shifts]
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
        self.trees: tuple[Tree, ...] = tuple(parent.trees[module].fork() if parent else Tree() for module in Module)
        self.arrays_cache: RiskArrays | None = parent.arrays_cache if parent else None
        """Risk arrays of this state, once built; dropped when a mark moves. Not part of what is agreed."""
        self.arrays_before: RiskArrays | None = parent.arrays_before if parent else None
        """The arrays last built, from which the next are built where nothing moved. Not part of what is agreed."""
        for name in (*TABLES, *INDEXES):
            setattr(self, name, getattr(parent, name).fork() if parent else Table())
        self.margin_book: MarginBook | None = None
        """Margins of all accounts, once asked for (`clearing.margins`). Not part of what is agreed."""
        self.exits_built: ExitTree | None = None
        """The exit tree, when this state is the one that an epoch closed at. Not part of what is agreed."""
        if parent is None:
            for name in LOGGED:
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
        for name in (*TABLES, *INDEXES):
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
    def now(self) -> records.Clock:
        """The clock record; zeros before genesis was opened."""
        return self.clock.get(0) or records.Clock(0, 0, 0, 0, 0)


def record_key(table: str, key: Any) -> bytes:
    """Canonical bytes of a record's key, unlike in any two tables."""
    return encode((table, key))


def _encoded(name: str, table: Table[Any, Any]) -> Iterator[tuple[bytes, bytes | None]]:
    for key in table.dirty:
        record = table.get(key)
        yield record_key(name, key), None if record is None else encode(record)
