"""What no vote changes, because balances, positions, signatures or proofs were made with it.

Rule: the genesis before and after are compared as values, whatever paths an amendment took. What is listed stays
listed but where nothing depends on it (`clearing.governance.listing` asks the state); of what stays, the fields below
keep their value. It must not know the state.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from clearing.base.errors import Rejected
from clearing.base.ids import HOUSE_MEMBER
from clearing.codes import ClearingCode, reject
from clearing.genesis import Genesis

AT = "amendment"


class Listed(NamedTuple):
    """One list of genesis: where it is, what an element is named by, and which of its fields stay."""

    name: str
    of: Callable[[Genesis], Sequence[Any]]
    id_field: str
    fixed: tuple[str, ...]
    may_go: bool


LISTS = (
    Listed("chains", lambda g: g.chains, "chain_id", ("name", "vault", "vault_block"), may_go=False),
    Listed("feeds", lambda g: g.feeds, "id", ("name",), may_go=True),
    Listed("cash_groups", lambda g: g.cash_groups, "id", ("name",), may_go=False),
    Listed(
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
    Listed(
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
    Listed("risk.groups", lambda g: g.risk.groups, "id", ("name", "feed"), may_go=True),
    Listed("members", lambda g: g.members, "id", (), may_go=False),
    # A window of trade ids that was narrow and is wide again would let used ids in.
    Listed("venues", lambda g: g.venues, "id", ("id_chunks",), may_go=False),
)

FIXED: dict[str, Callable[[Genesis], Any]] = {
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


def check_frozen(before: Genesis, after: Genesis) -> Rejected | None:
    """Whether an amendment leaves alone what no vote changes."""
    for path in frozen_changes(before, after):
        return reject(ClearingCode.AMENDMENT_FROZEN, AT, path=path)
    return None


def frozen_changes(before: Genesis, after: Genesis) -> Iterator[str]:
    """Every frozen place that differs."""
    yield from (path for path, read in FIXED.items() if read(before) != read(after))
    for listed in LISTS:
        yield from _of_list(listed, before, after)
    yield from _of_guards(before, after)
    yield from _of_crisis(before, after)
    yield from _of_members(before, after)


def _of_list(listed: Listed, before: Genesis, after: Genesis) -> Iterator[str]:
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


def _of_guards(before: Genesis, after: Genesis) -> Iterator[str]:
    """What a cash token becomes when it leaves stays what it was said to become, once it was said."""
    new = _by_id(after.assets, "id")
    for was in before.assets:
        now = new.get(was.id)
        if now is None or not was.may_leave:
            continue
        for field in ("feed", "feed_tokens", "unit_decimals"):
            if getattr(was.depeg, field) != getattr(now.depeg, field):
                yield f"assets.{was.id}.depeg.{field}"


def _of_crisis(before: Genesis, after: Genesis) -> Iterator[str]:
    """Who bears losses may be said once; the fund stays of its group, and nobody is made to take positions over."""
    old, new = before.crisis, after.crisis
    if old.default.enabled and not new.default.enabled:
        yield "crisis.default.enabled"
    if old.fund.enabled and new.fund.cash_group != old.fund.cash_group:
        yield "crisis.fund.cash_group"
    if new.liquidation.backstop_account not in (0, old.liquidation.backstop_account):
        yield "crisis.liquidation.backstop_account"


def _of_members(before: Genesis, after: Genesis) -> Iterator[str]:
    """Accounts, their kinds and their clients' keys stay; a member may get more, the house may not."""
    new = _by_id(after.members, "id")
    for was in before.members:
        now = new.get(was.id)
        if now is None:
            continue
        kept = {each.id: each for each in now.accounts}
        yield from (f"members.{was.id}.accounts.{each.id}" for each in was.accounts if kept.get(each.id) != each)
        if was.id == HOUSE_MEMBER and len(now.accounts) != len(was.accounts):
            yield f"members.{was.id}.accounts"
    if before.risk.stress:
        # So many accounts are behind the limit on what one of them may hold.
        yield from _wider(before, after)


def _wider(before: Genesis, after: Genesis) -> Iterator[str]:
    most = [
        max(genesis.market.member_accounts_max, *(len(each.accounts) for each in genesis.members))
        for genesis in (before, after)
    ]
    if most[1] > most[0]:
        yield "market.member_accounts_max"


def _by_id(elements: Iterable[Any], field: str) -> dict[int, Any]:
    return {getattr(each, field): each for each in elements}


def _field(value: Any, path: str) -> Any:
    for step in path.split("."):
        value = getattr(value, step)
    return value
