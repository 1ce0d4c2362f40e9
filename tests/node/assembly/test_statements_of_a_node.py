"""A node's statements: out of its own blocks, for the member that asks, and out of a block log."""

import csv
import io
from pathlib import Path
from typing import Any

import msgspec
import pytest

from clearing.base.units import DAY_MS
from clearing.schema.blocks.block import VoteExtension
from member.api.statements import MemberStatement
from member.statements.days import StatementDays
from member.statements.statement import as_csv, day_text
from node.api import accounts
from node.api.accounts import statement_inputs
from node.api.view import NodeView
from node.supervision import Supervisor
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BTC, ETH
from tests.kit.clearing.world import reports
from tests.kit.command_line import CommandLine
from tests.kit.node.fake_view import FakeView, ask_view, client_of, status_and_code
from tests.kit.node.live_view import live_view
from tests.kit.node.recorded import Recorded
from tests.kit.node.statement_runs import random_run
from tests.kit.node.station import new_station, time_of

WORLD = random_run(5)


def view_of_days() -> FakeView:
    view = FakeView(WORLD.state)
    view.statements = WORLD.days
    return view


DAY = day_text(WORLD.days.numbers[0])


async def test_a_member_gets_its_own_accounts_of_a_kept_day(monkeypatch: pytest.MonkeyPatch) -> None:
    target = f"/v1/statements/{DAY}"
    statement = msgspec.json.decode((await ask_view(view_of_days(), target)).content, type=MemberStatement)
    assert (statement.member, statement.day, statement.complete) == (1, DAY, True)
    assert [each.account for each in statement.accounts] == [ALICE, ALICE_CLIENT]
    assert len(list(csv.DictReader(io.StringIO(as_csv(statement))))) > 10
    monkeypatch.setattr(accounts, "STATEMENT_LINES_MAX", 3)
    assert (await ask_view(view_of_days(), target)).status_code == 422


async def test_a_day_whose_lines_were_left_out_is_refused_and_not_told_in_part() -> None:
    view = FakeView(WORLD.state)
    view.statements = random_run(5, lines_max=10).days
    assert ALICE in view.statements.day(WORLD.days.numbers[0]).left_out
    assert (await ask_view(view, f"/v1/statements/{DAY}")).status_code == 422


@pytest.mark.parametrize(
    ("day", "expected"),
    [("1999-01-01", (404, "R0840")), ("2023-02-30", (400, "R0842")), ("today", (400, "R0842"))],
)
async def test_a_day_that_is_none_or_not_kept_is_refused(day: str, expected: tuple[int, str]) -> None:
    assert status_and_code(await ask_view(view_of_days(), f"/v1/statements/{day}")) == expected


async def test_nobody_else_gets_a_statement() -> None:
    async with client_of(view_of_days()) as client:
        assert (await client.get(f"/v1/statements/{DAY}")).status_code == 401


def test_an_excerpt_does_not_change_with_later_blocks() -> None:
    world = random_run(3, 10)
    day = world.days.numbers[-1]
    found = world.days.day(day)
    kept = found.excerpt([ALICE])
    before = (dict(kept.closing), {key: msgspec.to_builtins(line) for key, line in kept.lines.get(ALICE, {}).items()})
    for btc in (700_000, 640_000, 720_000):
        world.prices(btc)
    assert before == (kept.closing, {key: msgspec.to_builtins(line) for key, line in kept.lines.get(ALICE, {}).items()})


def priced(height: int) -> VoteExtension:
    return VoteExtension(reports((BTC, 790_000), (ETH, 20_000), time_ms=time_of(height)))


def test_a_node_adds_up_what_it_decides(tmp_path: Path) -> None:
    with new_station(tmp_path) as station:
        view = live_view(station)
        for height in range(1, 4):
            station.decide(priced(height))
        member, today = station.home.genesis.members[1], time_of(3) // DAY_MS
        inputs = statement_inputs(view.state, view.statements, member.trade_address, today)
        assert (inputs.member, inputs.day.last_height) == (member.id, 3)
        assert inputs.accounts == [each.id for each in member.accounts]
        for owner, day in ((b"\x99" * 20, today), (member.trade_address, 5)):
            assert statement_inputs(view.state, view.statements, owner, day) is None


def test_a_restored_node_tells_that_its_first_day_is_not_whole(tmp_path: Path) -> None:
    with new_station(tmp_path) as station:
        station.decide(priced(1))
        late = StatementDays(station.state)
        station.application.listen(lambda each: late.decided(each.header.time_ms, each.result, each.state))
        station.decide()
        assert not late.day(late.numbers[0]).whole


async def test_a_block_that_could_not_be_added_up_begins_statements_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guarded = Supervisor().guarded("statements", NodeView.decided, None)
    monkeypatch.setattr(NodeView, "decided", guarded)
    with new_station(tmp_path) as station:
        view, real = live_view(station), StatementDays._follow_positions

        def fail_at_two(days: StatementDays, *given: Any) -> Any:
            if view.newest.height == 2:
                raise LookupError("what nobody foresaw")
            return real(days, *given)

        station.decide(priced(1))
        monkeypatch.setattr(StatementDays, "_follow_positions", fail_at_two)
        station.decide(priced(2))
        station.decide(priced(3))
        found = view.statements.day(time_of(3) // DAY_MS)
        assert (found.first_height, found.last_height, found.whole) == (3, 3, False)


def test_the_command_makes_a_statement_out_of_a_log(recorded: Recorded, cli: CommandLine) -> None:
    day = day_text(recorded.home.genesis.time_ms // DAY_MS)
    member = [*recorded.options, "--member", "0"]
    shown = cli("statement", day, *member, "--output", "json").json
    assert (shown["day"], shown["first_height"], shown["last_height"], shown["complete"]) == (day, 1, 5, False)
    printed = cli("statement", day, *member)
    assert printed.out.startswith("day,account,section,")
    assert f"covers heights 1 to 5 of {day} only" in printed.err
    cli("statement", day, *recorded.options, "--member", "77", code=1)
    cli("statement", "1999-01-01", *member, code=1)
    cli("statement", "yesterday", *member, code=2)
    cli("statement", day, "--log", recorded.log_file, code=2)
    cli("statement", day, code=2)


def test_margins_are_explained_and_simulated_out_of_a_log(recorded: Recorded, cli: CommandLine) -> None:
    account = ["0", *recorded.options]
    shown = cli("margin", "explain", *account, "--output", "json").json
    assert (shown["height"], shown["equity_micros"], shown["initial_ok"]) == (5, "0", True)
    assert "initial margin covered" in cli("margin", "explain", *account).out
    assert cli("margin", "explain", "member-0", *recorded.options, "--output", "json").json == shown, "names of genesis"
    cli("margin", "explain", "nobody", *recorded.options, code=2)
    assert cli("margin", "simulate", *account, "--output", "json").json["after"]["equity_micros"] == "0"
    for changed in (("--index", "BTC=-5"), ("--lots", "BTC-PERP=20"), ("--cash", "USD=1,000.5")):
        cli("margin", "simulate", *account, *changed)
    paid = cli("margin", "simulate", *account, "--cash", "USD=1,000.5", "--output", "json").json
    assert paid["after"]["equity_micros"] == "1000500000"
    said = cli("margin", "simulate", *account, "--index", "9=-5", code=2).err
    assert "--index: 9=-5: no single feed '9'; listed: BTC, ETH" in said
    cli("margin", "simulate", *account, "--index", "BTC=-5", "--index", "1=-5", code=2)
    cli("margin", "explain", "77", *recorded.options, code=1)
    cli("margin", "explain", "0", "--log", recorded.log_file, code=2)
