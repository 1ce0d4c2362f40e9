"""Rules of the margin routes: a member sees its own margins explained and simulated, hostile shocks are refused."""

from collections.abc import AsyncIterator
from typing import Any

import click
import httpx
import msgspec
import pytest

from cli.member.margin import shock_body
from member.api.margin import MarginView, SimulationView
from node.config import Api
from node.http.server import build_api
from tests.kit.clearing.genesis import BTC, BTC_PERP, USD, WETH_1
from tests.kit.clearing.margined import traded
from tests.kit.node.fake_view import BOB, NOW, FakeView, asked, status_and_code

WORLD = traded()


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = build_api(FakeView(WORLD.state), Api(requests_burst=100_000), lambda: NOW)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://node") as made:
        yield made


async def test_a_member_sees_every_term_of_its_margin(client: httpx.AsyncClient) -> None:
    response = await asked(client, "/v1/accounts/1/margin")
    view = msgspec.json.decode(response.content, type=MarginView)
    assert view.height == WORLD.state.now.height
    assert sum(int(each.amount_micros) for each in view.equity) == int(view.equity_micros)
    assert sum(int(each.amount_micros) for each in view.requirement) == int(view.initial_margin_micros)
    assert all(term.source and term.rounding and term.inputs for term in (*view.equity, *view.requirement))
    assert {each.name for each in view.liquidation} == {"BTC", "ETH"}


async def test_a_simulation_shows_before_and_after(client: httpx.AsyncClient) -> None:
    body = {
        "index": [{"feed": BTC, "move_ppm": -100_000}],
        "trades": [{"instrument": BTC_PERP, "lots": "-6000"}],
        "cash": [{"cash_group": USD, "amount_micros": "5"}],
        "tokens": [{"asset": WETH_1, "amount_units": "-1"}],
    }
    response = await asked(client, "/v1/accounts/1/margin/simulate", body=body)
    view = msgspec.json.decode(response.content, type=SimulationView)
    assert int(view.after.initial_margin_micros) < int(view.before.initial_margin_micros)


@pytest.mark.parametrize("body", [None, {}])
async def test_anothers_margin_is_refused(client: httpx.AsyncClient, body: Any) -> None:
    for account in (1, 99):
        target = f"/v1/accounts/{account}/margin" + ("" if body is None else "/simulate")
        assert status_and_code(await asked(client, target, BOB, body)) == (403, "R0848")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"index": [{"feed": 99, "move_ppm": 1}]}, (422, "R0104")),
        ({"trades": [{"instrument": BTC_PERP, "lots": "1", "price_ticks": "9999999999999999999"}]}, (422, "R0104")),
        ({"trades": [{"instrument": BTC_PERP, "lots": "9999999999999999999"}]}, (422, "R0104")),
        ({"tokens": [{"asset": WETH_1, "amount_units": "-99999999999"}]}, (422, "R0104")),
        ({"index": [{"feed": BTC, "move_ppm": -1_000_000}]}, (400, "R0843")),
        ({"index": 2 * [{"feed": BTC, "move_ppm": 1}]}, (400, "R0843")),
        ({"trades": 65 * [{"instrument": BTC_PERP, "lots": "1"}]}, (400, "R0843")),
        ({"trades": [{"instrument": BTC_PERP, "lots": "1.5"}]}, (400, "R0843")),
        ({"unknown": []}, (400, "R0843")),
    ],
)
async def test_a_hostile_shock_is_refused(client: httpx.AsyncClient, body: Any, expected: tuple[int, str]) -> None:
    assert status_and_code(await asked(client, "/v1/accounts/1/margin/simulate", body=body)) == expected


def test_options_of_the_command_line_make_the_request() -> None:
    body = shock_body(("1=-12.5",), ("2=+10",), ("4=-20", "4=5@790000"), ("1=-7",), ("3=8",))
    assert body.index[0].move_ppm == -125_000
    assert body.volatility[0].points_ppm == 100_000
    assert [(each.instrument, each.lots, each.price_ticks) for each in body.trades] == [
        (4, "-20", None),
        (4, "5", "790000"),
    ]
    assert (body.cash[0].amount_micros, body.tokens[0].amount_units) == ("-7", "8")


@pytest.mark.parametrize("index", ["1", "x=1", "1=abc", "1=0.00001", "1=nan", "1=1e99"])
def test_an_option_that_is_no_shock_is_refused(index: str) -> None:
    with pytest.raises(click.UsageError):
        shock_body((index,), (), (), (), ())
