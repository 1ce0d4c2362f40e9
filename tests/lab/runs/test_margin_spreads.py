"""Calendar spreads and credits between groups of several terms: no delta backs two spreads."""

import json
from typing import Any

import pytest

from clearing.base.errors import RemoteFault
from lab.runs.margin import margin_run, read_margin_run

SCAN = {"kind": "scan", "name": "scan", "grid": "span16", "ranges": [{"price": "0.1"}]}
BOTH = [{"name": "initial"}, {"name": "maintenance"}]


def calendar(name: str, near: str, far: str, charge: int, level: str = "") -> dict[str, Any]:
    legs = [{"of": near, "side": "A"}, {"of": far, "side": "B"}]
    weights = [{"level": level, "weight": 1}] if level else []
    return {"kind": "calendar", "name": name, "group": "A", "charge": charge, "legs": legs, "weights": weights}


def credit(name: str, one: str, other: str, level: str = "") -> dict[str, Any]:
    legs = [{"of": one, "side": "A"}, {"of": other, "side": "B"}]
    weights = [{"level": level, "weight": 1}] if level else []
    return {"kind": "group_credit", "name": name, "spreads": [{"legs": legs, "rate": 1}], "weights": weights}


def account(terms: list[Any], positions: dict[str, int], **more: Any) -> dict[str, Any]:
    """One account in futures of groups A, B and C and tiers M, J and S, all at 100."""
    listed = [
        {"id": group + tier, "kind": "future", "group": group, "tier": tier, "seconds_to_expiry": 86_400 * days}
        for group in "ABC"
        for days, tier in enumerate("MJS", start=1)
    ]
    portfolio = {
        "groups": [{"id": group, "price": 100} for group in "ABC"],
        "instruments": listed,
        "collateral": [{"id": "T", "price": 1, "cap": 100}],
        "accounts": [
            {"id": "a", "positions": [{"instrument": of, "size": size} for of, size in positions.items()], **more}
        ],
    }
    run = {"format": "crossclear.margin.v1", "portfolio": portfolio, "model": {"terms": terms, "levels": BOTH}}
    account_view: dict[str, Any] = margin_run(read_margin_run(json.dumps(run).encode()))["accounts"][0]
    return account_view


def amounts(account_view: dict[str, Any]) -> list[str]:
    return [each["amount"] for each in account_view["terms"]]


def test_calendar_tiers_are_charged_in_their_order_from_what_is_left():
    """Three long in March: two against June at 150, then one against September at 200."""
    account_view = account([calendar("1", "M", "J", 150), calendar("2", "M", "S", 200)], {"AM": 3, "AJ": -2, "AS": -3})
    assert amounts(account_view) == ["300", "200"]


def test_a_calendar_without_legs_uses_the_nearest_expiries_first():
    whole = {"kind": "calendar", "name": "all", "group": "A", "charge": 10}
    account_view = account([whole, calendar("2", "M", "S", 200)], {"AM": 4, "AJ": -2, "AS": -3})
    assert amounts(account_view) == ["40", "0"]
    assert account_view["terms"][0]["parts"][0]["used"] == {"M": "4", "J": "2", "S": "2"}


def test_a_delta_backs_credit_in_one_term_only():
    """Without it two credits would give back more than the three groups' risk of 90."""
    account_view = account([SCAN, credit("1", "A", "B"), credit("2", "A", "C")], {"AM": 3, "BM": -3, "CM": -3})
    assert amounts(account_view) == ["90", "-60", "0"]


def test_terms_of_different_levels_use_the_same_deltas():
    account_view = account(
        [SCAN, credit("1", "A", "B", "initial"), credit("2", "A", "B", "maintenance")], {"AM": 3, "BM": -3}
    )
    assert [each["requirement"] for each in account_view["levels"]] == ["0", "0"]
    account_view = account(
        [calendar("1", "M", "J", 5, "initial"), calendar("2", "M", "J", 4, "maintenance")], {"AM": 3, "AJ": -3}
    )
    assert [each["requirement"] for each in account_view["levels"]] == ["15", "12"]


def test_a_token_listed_twice_does_not_count_beyond_its_cap():
    held = {"collateral": "T", "amount": 100}
    assert account([SCAN], {}, collateral=[held])["collateral"][0]["values"]["initial"] == "100"
    with pytest.raises(RemoteFault, match="bad_portfolio"):
        account([SCAN], {}, collateral=[held, held])
