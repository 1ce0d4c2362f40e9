"""The demonstration's report loads nothing, shows every text as text, and draws what the block log came to."""

from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from devnet.demo.report import MemberLine, Summary
from devnet.demo.web_report import DaySeries, day_series, write_web_report
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, make_genesis
from tests.kit.clearing.world import World, funded

HOSTILE = "$</p><script>alert(1)</script><img src='https://example.org/x'>"


class Parts(HTMLParser):
    """Tags, and the addresses that they name."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "action")]


def blank(kind: type[Any]) -> Any:
    """Zero, empty or false in each field."""
    zeros = {int: 0, str: "", bool: False, float: 0.0}
    fields = {
        each.name: zeros.get(each.type, {} if "dict" in str(each.type) else ()) for each in msgspec.structs.fields(kind)
    }
    return kind(**fields)


def noted(world: World, series: DaySeries, blocks: int) -> None:
    for number in range(blocks):
        result = world.prices(790_000 - 4_000 * number)
        header: Any = SimpleNamespace(time_ms=world.state.now.time_ms)
        decided: Any = SimpleNamespace(header=header, result=result, state=world.state)
        series.note(decided)


@pytest.fixture
def series() -> DaySeries:
    found, world = day_series(make_genesis()), funded(dollars=2_000)
    world.block(world.trade(ALICE, BOB, BTC_PERP, 1_000, 790_000))
    noted(world, found, 25)
    return found


def test_the_series_are_those_of_the_heights(series: DaySeries) -> None:
    assert len(series.seconds) == 25
    assert series.seconds == sorted(series.seconds)
    assert series.prices[1][0] == 790_000
    assert len(series.looked) == 3
    assert all(len(values) == 3 for values in series.free.values())
    assert series.free[ALICE][0] > series.free[ALICE][-1], "the long side loses"
    assert ("margin call", "member-1") in {(kind, name) for _, kind, name in series.events}


def test_the_report_loads_nothing_and_shows_texts_as_text(series: DaySeries, tmp_path: Path) -> None:
    line = msgspec.structs.replace(blank(MemberLine), name=HOSTILE)
    summary = msgspec.structs.replace(
        blank(Summary), claim=HOSTILE, missing=(HOSTILE,), members=(line,), network=HOSTILE
    )
    series.accounts = dict.fromkeys(series.accounts, HOSTILE)
    path = tmp_path / "report.html"
    write_web_report(path, summary, series, [{"epoch": 1, "seconds": 0.5}])
    page = path.read_text()
    parts = Parts(page)
    assert parts.tags.count("svg") == 4
    assert not {"script", "img", "link", "iframe", "object"} & set(parts.tags)
    assert all(address.startswith("#") for address in parts.addresses)
    assert "default-src 'none'" in page


def test_without_matplotlib_there_are_tables_alone(
    series: DaySeries, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    write_web_report(tmp_path / "report.html", blank(Summary), series, [])
    assert Parts((tmp_path / "report.html").read_text()).tags.count("svg") == 0
