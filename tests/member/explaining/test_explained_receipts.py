"""Rules of telling: every receipt recomputes, and one that was changed where it can be computed says so."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from clearing.base.errors import RemoteFault
from clearing.margin_calls.early_calls import BREACH_PROBABILITIES_PPM, breach_probability_ppm
from clearing.schema.receipts import default, house
from clearing.schema.receipts import default_fund as fund
from clearing.schema.receipts.liquidation import (
    BackstopTakeover,
    Liquidated,
    LiquidationEnded,
    LiquidationStepTaken,
    SliceSold,
)
from clearing.schema.receipts.margin_calls import CallDeadlineSet, CallLapsed, EarlyCalled, MarginRestored
from clearing.state.account_masks import MASKED
from member.api.receipts import named, unnamed
from member.explaining.default_fund import _EXPLAINERS as TELL_FUND
from member.explaining.defaults import _EXPLAINERS as TELL_DEFAULTS
from member.explaining.formatting import condition_line, equality_line, formatted, plain_line
from member.explaining.liquidations import _EXPLAINERS as TELL_LIQUIDATIONS
from member.explaining.margin_calls import breach_ppm
from member.explaining.receipt_index import (
    BESIDE_MEMBERS,
    DEFAULTS,
    FUNDS,
    LIQUIDATIONS,
    Masks,
    accounts_named,
    masked,
)
from tests.sim.clearing.explained import (
    Heard,
    of_a_default,
    of_a_sealed_auction,
    of_deleveraging,
    of_gains,
    of_liquidations,
    of_recoveries,
    of_strategies,
    of_takeovers,
    of_the_fund,
)

STORIES = {
    "liquidations": of_liquidations,
    "takeovers": of_takeovers,
    "a default": of_a_default,
    "a sealed auction": of_a_sealed_auction,
    "deleveraging": of_deleveraging,
    "gains": of_gains,
    "recoveries": of_recoveries,
    "the fund": of_the_fund,
}
TABLE = LIQUIDATIONS | DEFAULTS | FUNDS


@pytest.fixture(scope="module")
def heard() -> dict[str, Heard]:
    return {name: make() for name, make in STORIES.items()}


def kept(heard: dict[str, Heard]) -> Iterator[Any]:
    """Every receipt of the stories that is kept for members."""
    for story in heard.values():
        yield from (each.receipt for each in story.receipts if type(each.receipt) in TABLE)


def wrong(story: Heard) -> list[str]:
    """What is said of receipts that do not recompute."""
    return [formatted([each]) for each in story.explained() if not each.ok]


@pytest.mark.parametrize("story", sorted(STORIES))
def test_every_line_that_can_be_computed_comes_out_as_stated(heard: dict[str, Heard], story: str) -> None:
    assert wrong(heard[story]) == []
    assert sum(line.ok is True for each in heard[story].explained() for line in each.lines) >= 8


def test_stories_have_every_stage_in_them(heard: dict[str, Heard]) -> None:
    kinds = {each.kind for one in heard.values() for each in one.explained()}
    assert kinds >= {
        "EarlyCalled", "CallDeadlineSet", "CallLapsed", "CallMet", "MarginCalled", "MarginRestored",
        "LiquidationOpened", "SliceSold", "LiquidationStepTaken", "BackstopTakeover", "Liquidated", "LiquidationEnded",
        "DefaultDeclared", "DefaultBidTaken", "PortfolioSold", "BiddersRanked", "HouseTakeover", "Deleveraged",
        "FundDrawn", "LossAllocated", "MemberStatusChanged", "DefaultEnded",
    }  # fmt: skip


@pytest.mark.parametrize("seed", [2, 5, 11])
def test_what_members_with_strategies_bring_about_recomputes(seed: int) -> None:
    story = of_strategies(seed, 30)
    assert wrong(story) == []
    assert len(story.explained()) > 10
    for receipt in kept({"strategies": story}):
        assert unnamed(json.loads(msgspec.json.encode(named(receipt))), type(receipt)) == receipt


# Fields that are computed again wherever they stand; a unit more in one of them is found.
COMPUTED: dict[type, tuple[str, ...]] = {
    SliceSold: ("opened_height", "discount_ppm", "allowed_share", "fraction", "notional", "equity_after",
                "sizing.share", "paid.0.discount", "paid.0.penalty", "paid.0.penalty_to_taker", "positions.0.lots"),
    EarlyCalled: ("deadline_height",),
    CallDeadlineSet: ("deadline_height", "congestion_steps"),
    CallLapsed: ("deadline_height",),
    LiquidationStepTaken: ("sizing.share", "step_notional", "taken"),
    LiquidationEnded: ("steps",),
    BackstopTakeover: ("notional", "equity_after", "paid.0.penalty", "paid.0.penalty_to_taker", "positions.0.lots"),
    Liquidated: ("notional", "penalty", "equity_after", "positions.0.lots"),
    default.PortfolioSold: ("first", "paid"),
    default.BiddersRanked: ("sold", "competitive_ask", "members.0.1", "members.0.4"),
    default.Deleveraged: ("lots",),
    default.LossAllocated: ("member", "loss", "deficits.0.2", "steps.0.loss_before", "steps.0.loss_borne",
                         "steps.0.shares.0.amount"),
    default.DefaultEnded: ("member", "loss", "by_layer.0.1"),
    fund.FundSized: ("target", "sizes.0", "scenarios.0.cover_two", "parts.0.required"),
    fund.FundCalled: ("micros", "contributed"),
    fund.FundPaid: ("contributed",),
    fund.FundDebited: ("micros",),
    fund.FundReductionStarted: ("contributed",),
    fund.FundDrawn: ("left",),
    house.InventoryClosed: ("lots",),
    house.RecoveryPaid: ("micros", "rounding"),
}  # fmt: skip


PLACES = [(kind, each) for kind, fields in COMPUTED.items() for each in fields]


@pytest.mark.parametrize(("kind", "path"), PLACES, ids=lambda each: getattr(each, "__name__", each))
def test_a_unit_more_or_less_in_what_is_computed_is_told(heard: dict[str, Heard], kind: type, path: str) -> None:
    tried = 0
    for story in heard.values():
        for at, each in enumerate(story.receipts):
            if type(each.receipt) is not kind:
                continue
            for more in (1, -1):
                forged = _added(each.receipt, path.split("."), more)
                if forged is None:
                    continue
                texts = "\n".join(wrong(story.changed(at, forged)))
                assert "BUT THE RECEIPT STATES" in texts or "DOES NOT HOLD" in texts, (kind.__name__, path, each.height)
                tried += 1
            break
    assert tried


def test_a_call_that_lapses_before_its_time_is_told(heard: dict[str, Heard]) -> None:
    story = heard["liquidations"]
    at = next(at for at, each in enumerate(story.receipts) if type(each.receipt) is CallLapsed)
    held = story.receipts[at]
    urgent = msgspec.structs.replace(held.receipt, urgent=not held.receipt.urgent)
    assert any(
        "is reached" in line.text for each in story.explained() for line in each.lines if each.kind == "CallLapsed"
    )
    assert any("has not been reached   DOES NOT HOLD" in text for text in wrong(story.changed(at, urgent)))


@pytest.mark.parametrize(
    ("story", "kind", "field"),
    [("takeovers", LiquidationStepTaken, "step"), ("liquidations", LiquidationEnded, "opened_height")],
)
def test_what_an_earlier_receipt_has_said_is_said_again(
    heard: dict[str, Heard], story: str, kind: type, field: str
) -> None:
    explained = heard[story]
    at = [at for at, each in enumerate(explained.receipts) if type(each.receipt) is kind][-1]
    for more in (1, -1):
        assert wrong(explained.changed(at, _added(explained.receipts[at].receipt, [field], more)))


def test_a_liquidation_that_begins_again_after_a_default_is_counted_anew(heard: dict[str, Heard]) -> None:
    """A default takes an account's liquidation with it: no receipt says that it is over."""
    story = heard["takeovers"]
    ended = [at for at, each in enumerate(story.receipts) if type(each.receipt) is LiquidationEnded]
    broken = Heard([each for at, each in enumerate(story.receipts) if at != ended[0]], story.listings)
    steps = [each.receipt.step for each in broken.receipts if type(each.receipt) is LiquidationStepTaken]
    assert steps.count(1) > 1
    assert wrong(broken) == []


def _added(value: Any, path: list[str], more: int) -> Any:
    """The value with a unit more at a path; None where that cannot be."""
    if not path:
        return value + more if value + more >= 0 or value < 0 else None
    head, rest = path[0], path[1:]
    if isinstance(value, tuple):
        if int(head) >= len(value):
            return None
        inner = _added(value[int(head)], rest, more)
        return None if inner is None else (*value[: int(head)], inner, *value[int(head) + 1 :])
    inner = _added(getattr(value, head), rest, more)
    return None if inner is None else msgspec.structs.replace(value, **{head: inner})


def test_every_kind_that_is_kept_for_members_is_told() -> None:
    assert set(TELL_LIQUIDATIONS) == set(LIQUIDATIONS)
    assert set(TELL_DEFAULTS) == set(DEFAULTS)
    assert set(TELL_FUND) | {default.MemberStatusChanged} == set(FUNDS)
    assert not set(LIQUIDATIONS) & (set(DEFAULTS) | set(FUNDS))


ACCOUNTS = {"account", "bidder", "backstop", "recipient", "fund", "estate", "own", "clients", "children"}


def test_every_field_that_names_an_account_is_in_the_table() -> None:
    for kind, paths in TABLE.items():
        named_by = {str(path[0]) for path in paths}
        assert ACCOUNTS & set(kind.__struct_fields__) <= named_by, kind


def test_a_mask_hides_every_account_but_those_told(heard: dict[str, Heard]) -> None:
    salt = bytes(range(32))
    hide = Masks(salt, lambda account: account == 2)
    names: set[int] = set()
    for receipt in kept(heard):
        hidden = accounts_named(masked(receipt, hide))
        assert all(account == 2 or account >= 2**48 for account in hidden)
        assert len(hidden) == len(accounts_named(receipt))
        names.update(hidden)
    assert len(names) > 4, "each account has one name"
    other = Masks(bytes(32), lambda _: False)
    assert other(1) != hide(1) >= MASKED


IN_DEFAULT = {default.DefaultDeclared, default.LossAllocated, default.MemberStatusChanged}
"""Their member is in default, as everybody may know; the other accounts in them have none beside them."""


def test_every_kind_that_names_a_member_beside_an_account_hides_it_under_another_mask() -> None:
    named_by = {
        kind
        for kind, paths in TABLE.items()
        if paths and {"member", "to_member", "standby"} & set(kind.__struct_fields__)
    }
    # These name the member beside the account of each payment.
    named_by |= {house.RecoveryPaid, house.RecoveryEnded}
    assert named_by - IN_DEFAULT == BESIDE_MEMBERS


def test_no_mask_beside_a_member_is_found_where_an_account_stands_alone(heard: dict[str, Heard]) -> None:
    hide = Masks(bytes(range(32)), lambda _: False)
    alone: set[int] = set()
    beside: set[int] = set()
    for receipt in kept(heard):
        where = beside if type(receipt) in BESIDE_MEMBERS else alone
        where.update(account for account in accounts_named(masked(receipt, hide)) if account >= MASKED)
    assert len(alone) > 2
    assert len(beside) > 2
    assert not alone & beside


def test_masked_receipts_recompute_as_well(heard: dict[str, Heard]) -> None:
    hide = Masks(bytes(32), lambda _: False)
    for story in heard.values():
        hidden = Heard(
            [type(at)(at.height, at.index, masked(at.receipt, hide)) for at in story.receipts], story.listings
        )
        # Ties between accounts go by their numbers, which a mask does not keep.
        assert [each.kind for each in hidden.explained() if not each.ok] in ([], ["Deleveraged"])


GOOD = {"account": "1", "equity": "-5", "initial": "0"}


@pytest.mark.parametrize(
    "details",
    [
        {},
        {"account": "x"},
        {"account": "1", "equity": "1"},
        {"account": True, "equity": "0", "initial": "0"},
        {**GOOD, "initial": "-1"},
        {**GOOD, "more": "1"},
    ],
)
def test_what_has_not_the_shape_of_its_kind_is_refused(details: dict[str, Any]) -> None:
    with pytest.raises(RemoteFault):
        unnamed(details, MarginRestored)
    assert unnamed(GOOD, MarginRestored) == MarginRestored(1, -5, 0)


def test_the_probability_of_a_breach_is_that_of_the_normal_distribution() -> None:
    for headroom in range(0, 6_000, 7):
        assert breach_ppm(headroom, 1_000) == breach_probability_ppm(headroom, 1_000)
    assert breach_ppm(5, 0) == 0
    assert len(BREACH_PROBABILITIES_PPM) == 51


def test_a_line_says_what_is_stated_where_it_differs() -> None:
    assert equality_line("2 x 3", 6, 6).text == "2 x 3 = 6"
    assert equality_line("2 x 3", 7, 6).text == "2 x 3 = 6   BUT THE RECEIPT STATES 7"
    assert (condition_line("a", good=False).ok, plain_line("a").ok) == (False, None)
