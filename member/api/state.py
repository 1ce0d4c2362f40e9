"""Answers about the network and the node: newest height, prices, marks, ranges, collateral, health, peers."""

from typing import Literal

from member.api.types import Body, Decimal, Hash, Id, Natural


class PeerView(Body, frozen=True):
    """A peer that may connect. `score` is 100 without faults and falls to 0, where a ban begins."""

    key: str
    role: str
    """validator, observer, or configured: in node.toml, and in no validator set that this node has seen."""
    connected: bool
    connections: int
    rtt_ms: int
    score: int
    faults: int
    last_fault: str
    bans: int
    banned_ms: int
    """How long the present ban still lasts; 0 for none."""


class PeersView(Body, frozen=True):
    """All peers that may connect, in order of keys."""

    peers: tuple[PeerView, ...]


class FeedPrice(Body, frozen=True):
    """A feed's agreed index price. `status`: unopened, open, stale or halted."""

    feed: int
    name: str
    index_ticks: Natural
    """The last good one, with any status."""
    status: str
    rung: str = "usable"
    """Price status: usable, no_new_risk, no_liquidation or settled."""
    confidence_ticks: Natural = "0"
    """How uncertain validators were."""
    since_height: int = 0
    """The first height without an open price; 0 while there is one."""
    settles_at_height: int = 0
    """The height at which its instruments settle at the last good price if none comes before; 0: never, or open."""
    ticks_per_unit: int = 0
    """How many ticks make one unit of its currency, as this node is set up; for display. 0: it is not."""


class InstrumentMark(Body, frozen=True):
    """An instrument's settled mark."""

    instrument: int
    name: str
    mark_ticks: Natural
    settled: bool = False
    """Settled for good, at `mark_ticks`; traded no more."""
    premium_ppb: Decimal = "0"
    """Of a perpetual: the premium in the mark, in 10^-9 of the index."""
    funding_rate_ppb: Decimal = "0"
    """Of a perpetual: the rate of a period that would be paid if the interval ended now; positive: longs pay."""
    averaged_ticks: Natural = "0"
    """In an averaging window: the average so far."""
    averaged_ms: int = 0
    """How much of the window agreed prices cover."""


class ExpiryShown(Body, frozen=True):
    """Forward and smile of one expiry on an agreed surface."""

    expiry_ms: int
    forward_ppb: int
    """Of the index, in 10^-9."""
    rate_ppm: int
    level_ppm: int
    """Volatility at the money: 1,000,000 is 100 %."""
    skew_ppm: int
    wing_ppm: int


class GroupRange(Body, frozen=True):
    """The range of a risk group in force. All but the first three figures are 0 while genesis' stands."""

    group: int
    name: str
    range_ppm: int
    """Of the price."""
    volatility_ppm: int
    volatility_range_ppm: int
    raw_ppm: int = 0
    """Required by current deviations alone over the horizon."""
    stressed_ppm: int = 0
    """The same with the stressed deviation of the window."""
    floor_ppm: int = 0
    """The same with the deviation of the long look-back."""
    target_ppm: int = 0
    """The range that the speed limit lets it approach."""
    buffer_ppm: int = 0
    """What the target has beyond need, to be used up in stress."""
    multiple_ppm: int = 0
    """Deviations in the raw range."""
    horizon_ms: int = 0
    """Time to close out, with what late chains and old reports add."""
    change_ratio_ppm: int = 0
    """The range over the one before it."""
    lowest_ppm: int = 0
    highest_ppm: int = 0
    """Of all ranges so far."""
    published_height: int = 0
    surface: tuple[ExpiryShown, ...] = ()
    """The last agreed surface; empty where the group has none, and before the first."""
    surface_status: str = ""
    """What the group's options may be used for: usable, no_new_risk or no_liquidation; empty without live surfaces."""
    surface_in_force: bool = False
    """False: options are valued on the voted surface."""
    surface_agreed_ms: int = 0
    """Block time of the last agreement."""
    surface_since_height: int = 0
    """The first height without a fresh surface; 0 with one."""


class AssetShortage(Body, frozen=True):
    """Why an asset is halted: its vault was proven to have less of the token than it accounts for."""

    since_height: int
    block_number: int
    """Of its chain, where the newest agreed counters were read."""
    missing_amount: Natural
    """Token base units by those counters; 0: the vault has all again, and a vote may release the asset."""
    missing_ppm: int
    """Of what the vault accounts for."""


class AssetNow(Body, frozen=True):
    """A token on one chain as it is now."""

    asset: int
    name: str
    chain_id: Id
    cash_group: int
    """0: collateral, also a cash token that left its group."""
    haircut_ppm: int
    """Of collateral, in force."""
    unit_decimals: int
    """A clearing unit is 10^-unit_decimals whole tokens."""
    inventory_units: Natural
    """What the ledger owes in it; of cash, what can be withdrawn on that chain at most."""
    suspended: bool = False
    """Of cash: its group is suspended while a token of it is judged by the depeg guard."""
    shortage: AssetShortage | None = None
    """While the asset is halted: nothing of it is credited or withdrawn."""


class CollateralSale(Body, frozen=True):
    """What can be bid for in the next block out of a lapsed cash call."""

    seller: Id
    cash_group: int
    asset: int
    units: Natural
    """The most that one bid may buy."""
    micros_per_unit: Natural
    last_height: int


class ProvingView(Body, frozen=True):
    """How far the proof of an epoch is that a node is making."""

    done: int
    """Rounds of accounts."""
    total: int
    seconds_left: int | None = None
    """At the pace so far; null before there is one."""


class StateView(Body, frozen=True):
    """What is public of the newest decided height."""

    network: Hash
    height: int
    time_ms: int
    header_hash: Hash
    state_root: Hash
    epoch: int
    validators: int
    package_epoch: int
    """Epoch of the newest package; 0 before the first."""
    prices: tuple[FeedPrice, ...] = ()
    marks: tuple[InstrumentMark, ...] = ()
    ranges: tuple[GroupRange, ...] = ()
    assets: tuple[AssetNow, ...] = ()
    sales: tuple[CollateralSale, ...] = ()
    proving: ProvingView | None = None
    """Null while this node proves no epoch."""


class Check(Body, frozen=True):
    """One condition of readiness."""

    name: str
    ok: bool
    detail: str = ""


class Readiness(Body, frozen=True):
    """Whether the node does its work: each of the checks."""

    ready: bool
    checks: tuple[Check, ...]


class Health(Body, frozen=True):
    """The process answers."""

    status: Literal["ok"] = "ok"
