"""A node's statements: out of its own blocks, for the member that asks, and out of a block log."""

import csv
import io
import json
from pathlib import Path

import httpx
import msgspec
import pytest

from clearing.base.units import DAY_MS
from clearing.genesis.json import genesis_to_json
from clearing.schema.blocks.block import VoteExtension
from cli.main import run
from member.api.statements import MemberStatement
from member.api.types import Problem
from member.statements.days import StatementDays
from member.statements.statement import as_csv, day_text
from node.api import accounts
from node.api.accounts import statement_inputs
from node.config import Api
from node.http.server import build_api
from node.store.block_log import write_block_log
from node.store.store import Store
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BTC, ETH
from tests.kit.clearing.world import reports
from tests.kit.node.fake_view import NOW, FakeView, asked
from tests.kit.node.live_view import live_view
from tests.kit.node.recorded import Recorded, recorded  # noqa: F401 - the fixture
from tests.kit.node.statement_runs import random_run
from tests.kit.node.station import Station, make_home, time_of

WORLD = random_run(5)


async def test_a_member_gets_its_own_accounts_of_a_kept_day(monkeypatch: pytest.MonkeyPatch) -> None:
    view = FakeView(WORLD.state)
    view.statements = WORLD.days
    app = build_api(view, Api(requests_burst=100_000), lambda: NOW)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://node") as client:
        day = day_text(WORLD.days.numbers[0])
        told = msgspec.json.decode((await asked(client, f"/v1/statements/{day}")).content, type=MemberStatement)
        assert (told.member, told.day, [each.account for each in told.accounts]) == (1, day, [ALICE, ALICE_CLIENT])
        assert told.complete
        assert len(list(csv.DictReader(io.StringIO(as_csv(told))))) > 10
        for target, expected in (
            ("/v1/statements/1999-01-01", (404, "R0840")),
            ("/v1/statements/2023-02-30", (400, "R0842")),
            ("/v1/statements/today", (400, "R0842")),
        ):
            response = await asked(client, target)
            assert (response.status_code, msgspec.json.decode(response.content, type=Problem).code) == expected
        assert (await client.get(f"/v1/statements/{day}")).status_code == 401
        monkeypatch.setattr(accounts, "STATEMENT_LINES_MAX", 3)
        assert (await asked(client, f"/v1/statements/{day}")).status_code == 422


def test_an_excerpt_does_not_change_with_later_blocks() -> None:
    world = random_run(3, 10)
    day = world.days.numbers[-1]
    found = world.days.day(day)
    assert found is not None
    kept = found.excerpt([ALICE])
    before = (dict(kept.closing), {key: msgspec.to_builtins(line) for key, line in kept.lines.get(ALICE, {}).items()})
    for btc in (700_000, 640_000, 720_000):
        world.prices(btc)
    assert before == (kept.closing, {key: msgspec.to_builtins(line) for key, line in kept.lines.get(ALICE, {}).items()})


def test_a_node_adds_up_what_it_decides(tmp_path: Path) -> None:
    home = make_home(tmp_path / "net")
    with Store(home.path / "s.sqlite", home.network) as store:
        station = Station(home, store)
        view = live_view(station)
        for height in range(1, 4):
            station.decide(VoteExtension(reports((BTC, 790_000), (ETH, 20_000), time_ms=time_of(height))))
        member = home.genesis.members[1]
        inputs = statement_inputs(view.state, view.statements, member.trade_address, time_of(3) // DAY_MS)
        assert inputs is not None
        assert inputs.day is not None
        assert (inputs.member, inputs.day.last_height) == (member.id, 3)
        assert inputs.accounts == [each.id for each in member.accounts]
        assert statement_inputs(view.state, view.statements, b"\x99" * 20, time_of(3) // DAY_MS) is None
        assert statement_inputs(view.state, view.statements, member.trade_address, 5) is None


def test_a_restored_node_tells_that_its_first_day_is_not_whole(tmp_path: Path) -> None:
    home = make_home(tmp_path / "net")
    with Store(home.path / "s.sqlite", home.network) as store:
        station = Station(home, store)
        station.decide(VoteExtension(reports((BTC, 790_000), (ETH, 20_000), time_ms=time_of(1))))
        late = StatementDays(station.state)
        station.application.listen(lambda each: late.decided(each.header.time_ms, each.result, each.state))
        station.decide()
        found = late.day(late.numbers[0])
        assert found is not None
        assert not found.whole


def test_the_command_makes_a_statement_out_of_a_log(
    recorded: Recorded,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    log, genesis = tmp_path / "blocks.log", tmp_path / "genesis.json"
    write_block_log(log, recorded.network, recorded.records)
    genesis.write_bytes(genesis_to_json(recorded.genesis))
    day = day_text(recorded.genesis.time_ms // DAY_MS)
    common = ["--log", str(log), "--genesis", str(genesis), "--home", str(recorded.home), "--devnet"]
    assert run(["statement", day, *common, "--member", "0", "--output", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["day"], told["first_height"], told["last_height"], told["complete"]) == (day, 1, 5, False)
    assert run(["statement", day, *common, "--member", "0"]) == 0
    assert capsys.readouterr().out.startswith("day,account,section,")
    assert run(["statement", day, *common, "--member", "77"]) != 0
    assert run(["statement", "1999-01-01", *common, "--member", "0"]) != 0
    assert run(["statement", "yesterday", *common, "--member", "0"]) == 2
    assert run(["statement", day, "--log", str(log)]) == 2
    assert run(["statement", day]) == 2


def test_margins_are_explained_and_simulated_out_of_a_log(
    recorded: Recorded,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    log, genesis = tmp_path / "blocks.log", tmp_path / "genesis.json"
    write_block_log(log, recorded.network, recorded.records)
    genesis.write_bytes(genesis_to_json(recorded.genesis))
    common = ["--log", str(log), "--genesis", str(genesis), "--home", str(recorded.home), "--devnet"]
    assert run(["margin", "explain", "0", *common, "--output", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["height"], told["equity_micros"], told["initial_ok"]) == (5, "0", True)
    assert run(["margin", "explain", "0", *common]) == 0
    assert "initial margin covered" in capsys.readouterr().out
    assert run(["margin", "simulate", "0", *common, "--output", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["after"]["equity_micros"] == "0"
    assert run(["margin", "simulate", "0", *common, "--index", "9=-5"]) != 0
    assert run(["margin", "explain", "77", *common]) != 0
    assert run(["margin", "explain", "0", "--log", str(log)]) == 2
