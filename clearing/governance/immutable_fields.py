"""Immutable and protected fields: what no vote changes, and what a vote may change only by small steps.

Rule: the genesis before and after are compared as values, whatever paths an amendment took. What balances, positions,
signatures or proofs were made with does not change. A protection that is on cannot be switched off or made a trifle.
What values positions moves by one amendment no further than a bound.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from clearing.base.errors import Rejected
from clearing.base.ids import HOUSE_MEMBER
from clearing.base.units import PPM
from clearing.schema.codes import ClearingCode, reject
from clearing.schema.risk.parameters import RiskGroup
from clearing.schema.terms.genesis import Genesis

AT = "amendment"


class ImmutableList(NamedTuple):
    """One list of genesis: where it is, what an element is named by, and which of its fields stay."""

    name: str
    of: Callable[[Genesis], Sequence[Any]]
    id_field: str
    fixed: tuple[str, ...]
    may_go: bool


IMMUTABLE_LISTS = (
    ImmutableList("chains", lambda g: g.chains, "chain_id", ("name", "vault", "vault_block"), may_go=False),
    ImmutableList("feeds", lambda g: g.feeds, "id", ("name",), may_go=True),
    ImmutableList("cash_groups", lambda g: g.cash_groups, "id", ("name",), may_go=False),
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
        may_go=True,
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
        may_go=True,
    ),
    ImmutableList("risk.groups", lambda g: g.risk.groups, "id", ("name", "feed"), may_go=True),
    ImmutableList("members", lambda g: g.members, "id", (), may_go=False),
    # A window of trade ids that was narrow and is wide again would let used ids in.
    ImmutableList("venues", lambda g: g.venues, "id", ("id_chunks",), may_go=False),
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
    "crisis.governance.timelock_floor_ms": lambda g: g.crisis.governance.timelock_floor_ms,
    "crisis.governance.entry_delay_ms": lambda g: g.crisis.governance.entry_delay_ms,
}
"""The validators change by requests and amendments of their own. Requests' horizon and the delay of commitments are
built into what is remembered and signed; limits on positions hang on whether there is a stress test at all."""


def check_immutable(before: Genesis, after: Genesis) -> Rejected | None:
    """Whether an amendment leaves alone what no vote changes."""
    for path in immutable_changes(before, after):
        return reject(ClearingCode.AMENDMENT_FROZEN, AT, path=path)
    return None


def immutable_changes(before: Genesis, after: Genesis) -> Iterator[str]:
    """Every frozen place that differs."""
    yield from (path for path, read in IMMUTABLE_FIELDS.items() if read(before) != read(after))
    for listed in IMMUTABLE_LISTS:
        yield from _list_changes(listed, before, after)
    yield from _guard_changes(before, after)
    yield from _crisis_changes(before, after)
    yield from _member_changes(before, after)


def _list_changes(listed: ImmutableList, before: Genesis, after: Genesis) -> Iterator[str]:
    old, new = (_by_id(listed.of(genesis), listed.id_field) for genesis in (before, after))
    top = max(old, default=0)
    for each, was in old.items():
        now = new.get(each)
        if now is None:
            # The highest id stays, so that no id ever means two things.
            if not listed.may_go or each == top:
                yield f"{listed.name}.{each}"
            continue
        changed = [field for field in listed.fixed if _field(was, field) != _field(now, field)]
        yield from (f"{listed.name}.{each}.{field}" for field in changed)
    if listed.may_go:
        yield from (f"{listed.name}.{each}" for each in new if each not in old and each <= top)


def _guard_changes(before: Genesis, after: Genesis) -> Iterator[str]:
    """What a cash token becomes when it leaves stays what it was said to become, once it was said."""
    new = _by_id(after.assets, "id")
    for was in before.assets:
        now = new.get(was.id)
        if now is None or not was.may_leave:
            continue
        for field in ("feed", "feed_tokens", "unit_decimals"):
            if getattr(was.depeg, field) != getattr(now.depeg, field):
                yield f"assets.{was.id}.depeg.{field}"


def _crisis_changes(before: Genesis, after: Genesis) -> Iterator[str]:
    """Who bears losses may be said once; the fund stays of its group, and nobody is made to take positions over."""
    old, new = before.crisis, after.crisis
    if old.default.enabled and not new.default.enabled:
        yield "crisis.default.enabled"
    if old.fund.enabled and new.fund.cash_group != old.fund.cash_group:
        yield "crisis.fund.cash_group"
    if new.liquidation.backstop_account not in (0, old.liquidation.backstop_account):
        yield "crisis.liquidation.backstop_account"


def _member_changes(before: Genesis, after: Genesis) -> Iterator[str]:
    """Accounts, their kinds and their clients' keys stay; a member may get more, the house may not."""
    new = _by_id(after.members, "id")
    for was in before.members:
        now = new.get(was.id)
        if now is None:
            continue
        kept = {account.id: account for account in now.accounts}
        yield from (
            f"members.{was.id}.accounts.{account.id}" for account in was.accounts if kept.get(account.id) != account
        )
        if was.id == HOUSE_MEMBER and len(now.accounts) != len(was.accounts):
            yield f"members.{was.id}.accounts"
    if before.risk.stress:
        # So many accounts are behind the limit on what one of them may hold.
        yield from _is_wider(before, after)


def _is_wider(before: Genesis, after: Genesis) -> Iterator[str]:
    most = [
        max(genesis.market.member_accounts_max, *(len(member.accounts) for member in genesis.members))
        for genesis in (before, after)
    ]
    if most[1] > most[0]:
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
    ),
    "fund": ("minimum_micros", "reduce_blocks"),
    "gates": ("deficit_reserve", "give_back_expired"),
}
"""What protects somebody, once it is on: time to pay, to be ported, to bid; the house's own part; whole repayment."""

KEPT_DIVISOR = 4
"""Of what the network began with a protection keeps a quarter, or a block of time would be all that is left of it."""

RATE_STEP_PPM = 10_000
"""The carry of dated instruments: a year ahead their marks move by one per cent at most."""

VOLATILITY_FACTOR = 2
"""Options are marked at no more than twice, no less than half the volatility of before."""


def check_safeguards(origin: Genesis, before: Genesis, after: Genesis) -> Rejected | None:
    """Whether an amendment takes nothing away that protects; `origin`: the first genesis, as no vote changed it."""
    first = dict(safeguards(origin))
    now = dict(safeguards(after))
    for field, was in safeguards(before):
        value = now.get(field, was)
        if was and not value:
            return reject(ClearingCode.AMENDMENT_REFUSED, f"bounds.{field}", value=value, was=was)
        least = -(-first.get(field, 0) // KEPT_DIVISOR)
        if value < least and value != was:
            return reject(ClearingCode.AMENDMENT_REFUSED, f"bounds.{field}", value=value, was=was, least=least)
    silences = {chain.chain_id: chain.heartbeat_ms_max for chain in after.chains}
    for chain in before.chains:
        if chain.heartbeat_ms_max and not silences.get(chain.chain_id, 0):
            field = f"chains.{chain.chain_id}.heartbeat_ms_max"
            return reject(ClearingCode.AMENDMENT_REFUSED, f"bounds.{field}", value=0, was=chain.heartbeat_ms_max)
    return _check_rate_steps(before, after)


def safeguards(genesis: Genesis) -> Iterator[tuple[str, int]]:
    """(place, value) of everything of which less protects less; of what is not listed there is nothing."""
    for part, fields in SAFEGUARDS.items():
        yield from ((f"crisis.{part}.{field}", int(getattr(getattr(genesis.crisis, part), field))) for field in fields)
    yield "market.prices.settle_blocks", genesis.market.prices.settle_blocks
    for cash in genesis.cash_groups:
        yield f"cash_groups.{cash.id}.call.deadline_blocks", cash.call.deadline_blocks
    for group in genesis.risk.groups:
        yield f"risk.groups.{group.id}.short_option_ppm", group.short_option_ppm


def _check_rate_steps(before: Genesis, after: Genesis) -> Rejected | None:
    """Carry and volatility make marks: more than a step at once would be money that a vote moves."""
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
    """The lowest and the highest volatility that options are marked at with the money, over all times to expiry."""
    levels = [each.level_ppm for each in group.surface] or [PPM]
    return min(levels) * group.volatility_ppm // PPM, max(levels) * group.volatility_ppm // PPM
