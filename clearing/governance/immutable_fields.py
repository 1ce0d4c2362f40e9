"""Immutable and protected fields: what no vote changes, and what a vote may change only by small steps.

Rule: the genesis before and after are compared as values, whatever paths an amendment used. Whatever balances,
positions, signatures or proofs depend on does not change. A protection that is on cannot be switched off or made
negligible. One amendment moves the valuation of positions at most by a bound.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from clearing.base.errors import Rejected
from clearing.base.ids import HOUSE_MEMBER
from clearing.base.units import PPM
from clearing.governance.market_safeguards import market_safeguards
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.risk.parameters import RiskGroup
from clearing.schema.terms.genesis import Genesis

AT = "amendment"


class ImmutableList(NamedTuple):
    """One list of genesis: its path, the id field of its elements, and their immutable fields."""

    name: str
    of: Callable[[Genesis], Sequence[Any]]
    id_field: str
    fixed: tuple[str, ...]
    is_removable: bool


IMMUTABLE_LISTS = (
    ImmutableList("chains", lambda g: g.chains, "chain_id", ("name", "vault", "vault_block"), is_removable=False),
    ImmutableList("feeds", lambda g: g.feeds, "id", ("name",), is_removable=True),
    ImmutableList("cash_groups", lambda g: g.cash_groups, "id", ("name",), is_removable=False),
    ImmutableList(
        "assets",
        lambda g: g.assets,
        "id",
        (
            "name",
            "chain_id",
            "vault",
            "token",
            "token_decimals",
            "unit_decimals",
            "cash_group",
            "feed",
            "feed_tokens",
            "yields.feed",
            "yields.unit_ticks",
        ),
        is_removable=True,
    ),
    ImmutableList(
        "instruments",
        lambda g: g.instruments,
        "id",
        (
            "name",
            "kind",
            "feed",
            "group",
            "cash_group",
            "micros_per_tick",
            "expiry_ms",
            "strike_ticks",
            "averaging_ms",
            "delivery_asset",
        ),
        is_removable=True,
    ),
    ImmutableList("risk.groups", lambda g: g.risk.groups, "id", ("name", "feed"), is_removable=True),
    ImmutableList("members", lambda g: g.members, "id", (), is_removable=False),
    # A window of trade ids that was narrowed and widened again would accept used ids.
    ImmutableList("venues", lambda g: g.venues, "id", ("id_chunks",), is_removable=False),
)

IMMUTABLE_FIELDS: dict[str, Callable[[Genesis], Any]] = {
    "name": lambda g: g.name,
    "time_ms": lambda g: g.time_ms,
    "version": lambda g: g.version,
    "validators": lambda g: g.validators,
    "ranges.interval_ms": lambda g: g.ranges.interval_ms,
    "market.request_ms_max": lambda g: g.market.request_ms_max,
    "market.snapshot_delay_blocks": lambda g: g.market.snapshot_delay_blocks,
    "risk.stress": lambda g: bool(g.risk.stress),
    "risk.futures_on_curve": lambda g: g.risk.futures_on_curve,
    "crisis.governance.timelock_floor_ms": lambda g: g.crisis.governance.timelock_floor_ms,
    "crisis.governance.entry_delay_ms": lambda g: g.crisis.governance.entry_delay_ms,
}
"""Validators change by their own requests and amendments. The requests' horizon and the delay of commitments are part
of what is remembered and signed. Limits on positions depend on whether there is a stress test at all. A switch between
carry and curve would move the marks of futures by their basis."""


def check_immutable(before: Genesis, after: Genesis) -> Rejected | None:
    """Whether an amendment leaves all immutable places unchanged."""
    for path in _immutable_changes(before, after):
        return reject(ClearingCode.AMENDMENT_FROZEN, AT, path=path)
    return None


def _immutable_changes(before: Genesis, after: Genesis) -> Iterator[str]:
    """The path of every immutable place that differs."""
    yield from (path for path, read in IMMUTABLE_FIELDS.items() if read(before) != read(after))
    for listed in IMMUTABLE_LISTS:
        yield from _list_changes(listed, before, after)
    yield from _guard_changes(before, after)
    yield from _crisis_changes(before, after)
    yield from _member_changes(before, after)


def _list_changes(listed: ImmutableList, before: Genesis, after: Genesis) -> Iterator[str]:
    old, new = (_by_id(listed.of(genesis), listed.id_field) for genesis in (before, after))
    top = max(old, default=0)
    for element_id, was in old.items():
        now = new.get(element_id)
        if now is None:
            # The highest id stays, so that no id is ever reused.
            if not listed.is_removable or element_id == top:
                yield f"{listed.name}.{element_id}"
            continue
        changed = [field for field in listed.fixed if _field(was, field) != _field(now, field)]
        yield from (f"{listed.name}.{element_id}.{field}" for field in changed)
    if listed.is_removable:
        yield from (f"{listed.name}.{element_id}" for element_id in new if element_id not in old and element_id <= top)


def _guard_changes(before: Genesis, after: Genesis) -> Iterator[str]:
    """The collateral that a departing cash token becomes is immutable once defined."""
    new = _by_id(after.assets, "id")
    for was in before.assets:
        now = new.get(was.id)
        if now is None or not was.has_depeg_guard:
            continue
        for field in ("feed", "feed_tokens", "unit_decimals"):
            if getattr(was.depeg, field) != getattr(now.depeg, field):
                yield f"assets.{was.id}.depeg.{field}"


def _crisis_changes(before: Genesis, after: Genesis) -> Iterator[str]:
    """Default rules stay on, the fund keeps its cash group, no new account is made the backstop, and the house's
    inventory stays limited."""
    old, new = before.crisis, after.crisis
    if old.default.enabled and not new.default.enabled:
        yield "crisis.default.enabled"
    if old.default.hold_assessments and not new.default.hold_assessments:
        yield "crisis.default.hold_assessments"
    if old.fund.enabled and new.fund.cash_group != old.fund.cash_group:
        yield "crisis.fund.cash_group"
    if new.liquidation.backstop_account not in (0, old.liquidation.backstop_account):
        yield "crisis.liquidation.backstop_account"
    listed = _by_id(after.instruments, "id")
    for was in before.instruments:
        now = listed.get(was.id)
        # A premium of trades that fees must cover stays covered; it may get a feed, or end.
        if now is not None and was.funding.wash_cover_ppm and now.funding.depth_lots and not now.funding.wash_cover_ppm:
            yield f"instruments.{was.id}.funding.wash_cover_ppm"
    for field in ("inventory_margin_max", "inventory_notional_max"):
        if getattr(old.house, field) and not getattr(new.house, field):
            yield f"crisis.house.{field}"


def _member_changes(before: Genesis, after: Genesis) -> Iterator[str]:
    """Accounts, their kinds and their clients' keys are immutable, and no affiliate is struck out. A member may get
    more accounts, the house may not."""
    new = _by_id(after.members, "id")
    for was in before.members:
        now = new.get(was.id)
        if now is None:
            continue
        present = {account.id: account for account in now.accounts}
        yield from (
            f"members.{was.id}.accounts.{account.id}" for account in was.accounts if present.get(account.id) != account
        )
        if not set(was.affiliates) <= set(now.affiliates):
            yield f"members.{was.id}.affiliates"
        if was.id == HOUSE_MEMBER and len(now.accounts) != len(was.accounts):
            yield f"members.{was.id}.accounts"
    if before.risk.stress:
        # The notional limit of one account assumes at most this many accounts.
        yield from _account_limit_changes(before, after)


def _account_limit_changes(before: Genesis, after: Genesis) -> Iterator[str]:
    accounts_max = [
        max(genesis.market.member_accounts_max, *(len(member.accounts) for member in genesis.members))
        for genesis in (before, after)
    ]
    if accounts_max[1] > accounts_max[0]:
        yield "market.member_accounts_max"


def _by_id(elements: Iterable[Any], field: str) -> dict[int, Any]:
    return {getattr(element, field): element for element in elements}


def _field(value: Any, path: str) -> Any:
    for step in path.split("."):
        value = getattr(value, step)
    return value


SAFEGUARDS = {
    "calls": ("deadline_blocks",),
    "default": (
        "house_capital_micros",
        "assessment_blocks",
        "auction_blocks",
        "porting_blocks",
        "halt_blocks",
        "replenishment_blocks",
        "pool_affiliates",
        "reveal_blocks",
        "auction_own_money",
        "porting_at_maintenance",
    ),
    "fund": ("minimum_micros", "reduce_blocks", "cover_growth"),
    "gates": ("deficit_reserve", "give_back_expired"),
    "house": ("capital_micros", "covers_margin", "disposal_blocks", "own_default", "recovery_blocks"),
}
"""Protections that stay on: time to pay, to port and to bid; the house's own part and its limits; repayment in full."""
KEPT_DIVISOR = 4
"""A protection keeps at least a quarter of its first value; otherwise it could shrink to a block of time."""
RATE_STEP_PPM = 10_000
"""Largest change of the carry of dated instruments: their marks move at most by one per cent a year ahead."""
VOLATILITY_FACTOR = 2
"""Options are marked at most at twice and at least at half the volatility before."""


def check_safeguards(origin: Genesis, before: Genesis, after: Genesis) -> Rejected | None:
    """Whether an amendment keeps all protections. `origin`: the first genesis, before any vote."""
    first = dict(safeguards(origin))
    now = dict(safeguards(after))
    for field, was in safeguards(before):
        value = now.get(field, was)
        if was and not value:
            return reject(ClearingCode.AMENDMENT_REFUSED, f"bounds.{field}", value=value, was=was)
        minimum = -(-first.get(field, 0) // KEPT_DIVISOR)
        if value < minimum and value != was:
            return reject(ClearingCode.AMENDMENT_REFUSED, f"bounds.{field}", value=value, was=was, least=minimum)
    silences = {chain.chain_id: chain.heartbeat_ms_max for chain in after.chains}
    for chain in before.chains:
        if chain.heartbeat_ms_max and not silences.get(chain.chain_id, 0):
            field = f"chains.{chain.chain_id}.heartbeat_ms_max"
            return reject(ClearingCode.AMENDMENT_REFUSED, f"bounds.{field}", value=0, was=chain.heartbeat_ms_max)
    return _check_rate_steps(before, after)


def safeguards(genesis: Genesis) -> Iterator[tuple[str, int]]:
    """(place, value) of every protection, where a lower value protects less."""
    for part, fields in SAFEGUARDS.items():
        yield from ((f"crisis.{part}.{field}", int(getattr(getattr(genesis.crisis, part), field))) for field in fields)
    auction = genesis.crisis.default
    if auction.auction_blocks and auction.reveal_blocks:
        yield "crisis.default.commit_blocks", auction.auction_blocks - auction.reveal_blocks
    yield "market.prices.settle_blocks", genesis.market.prices.settle_blocks
    for cash in genesis.cash_groups:
        yield f"cash_groups.{cash.id}.call.deadline_blocks", cash.call.deadline_blocks
    for group in genesis.risk.groups:
        yield f"risk.groups.{group.id}.short_option_ppm", group.short_option_ppm
    yield from market_safeguards(genesis)


def _check_rate_steps(before: Genesis, after: Genesis) -> Rejected | None:
    """Carry and volatility determine marks: a larger step at once would be money moved by a vote."""
    was, now = before.risk.rate_ppm, after.risk.rate_ppm
    if abs(now - was) > RATE_STEP_PPM:
        return reject(ClearingCode.AMENDMENT_REFUSED, "bounds.risk.rate_ppm.step", value=now, was=was)
    with_options = {instrument.group for instrument in before.instruments if instrument.is_option}
    groups = {group.id: group for group in after.risk.groups}
    for group in before.risk.groups:
        if group.id not in with_options or group.id not in groups:
            continue
        for old, new in zip(at_money_volatilities(group), at_money_volatilities(groups[group.id]), strict=True):
            if new > VOLATILITY_FACTOR * old or old > VOLATILITY_FACTOR * new:
                field = f"risk.groups.{group.id}.volatility_ppm"
                return reject(ClearingCode.AMENDMENT_REFUSED, f"bounds.{field}.step", value=new, was=old)
    return None


def at_money_volatilities(group: RiskGroup) -> tuple[int, int]:
    """The lowest and the highest at-the-money volatility at which options are marked, over all times to expiry."""
    levels = [pillar.level_ppm for pillar in group.surface] or [PPM]
    return min(levels) * group.volatility_ppm // PPM, max(levels) * group.volatility_ppm // PPM
