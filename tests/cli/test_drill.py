"""`crossclear drill` and `crossclear disclosure` on a home, a backup, a saved state and a block log."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from clearing.base.codec import decode, encode
from clearing.base.units import DAY_MS
from clearing.schema.receipts.default import DefaultDeclared, DefaultEnded
from clearing.state.state import State
from consensus.messages import BLOCK_BYTES_MAX, Block
from lab.drills.run import run_drill
from lab.drills.scenario import DrillScenario, FeedMoves
from member.codes import NodeCode
from node.offline.day_of_blocks import DayHeights, follow_day
from node.offline.log_trust import IN_FORCE, LATER
from node.offline.state_at import state_of_home
from node.offline.state_sources import UNCHECKED, StateSource
from node.store.block_log import write_block_log
from tests.kit.command_line import CommandLine
from tests.kit.node.crisis_log import write_crisis
from tests.kit.node.recorded import Recorded
from tests.kit.refusals import refused

replace = msgspec.structs.replace
MOVE = ("--member", "1", "--move", "BTC=-20,-36.7088")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Its home has the blocks, too."""
    log = write_crisis(tmp_path_factory.mktemp("crisis"))
    shutil.copyfile(log.folder / "story.sqlite", home_of(log) / "node.sqlite")
    return log


def home_of(log: Recorded) -> Path:
    return log.home.config.home


def file_options(log: Recorded) -> list[object]:
    return ["--genesis", log.folder / "genesis.json", "--home", home_of(log), "--devnet"]


@pytest.fixture(scope="module")
def height(log: Recorded) -> int:
    """Before the default of the story."""
    (declared,) = log.heights_of(DefaultDeclared)
    return declared - 1


def test_a_home_a_saved_state_and_a_block_log_give_one_drill(
    log: Recorded, height: int, cli: CommandLine, tmp_path: Path
) -> None:
    home, saved = home_of(log), tmp_path / "secret" / "state.bin"
    saved.parent.mkdir(mode=0o700)
    cli("debug", "export", "--home", home, "--height", height, "--to", saved)
    json_ = ("--output", "json")
    of_home = cli("drill", home, *MOVE, "--height", height, *json_, code=None).json
    of_file = cli("drill", saved, *MOVE, "--genesis", log.folder / "genesis.json", *json_, code=None).json
    of_log = cli(
        "drill", log.folder / "blocks.log", *MOVE, "--height", height, *file_options(log), *json_, code=None
    ).json
    assert of_home == of_file == of_log
    assert of_home["height"] == height
    scenario = DrillScenario(1, (FeedMoves(1, (-200_000, -367_088)),))
    ran = run_drill(state_of_home(home, height), scenario)
    assert json.loads(json.dumps(of_home["fund_after"])) == ran.fund_after
    assert sum(
        share["micros"] for each in of_home["defaults"] for layer in each["layers"] for share in layer["shares"]
    ) == (sum(default.loss for default in ran.defaults))


def test_a_drill_on_a_backup_is_that_on_its_home_and_writes_nothing(
    log: Recorded, cli: CommandLine, tmp_path: Path
) -> None:
    backup = tmp_path / "backup"
    cli("backup", "create", backup, "--home", home_of(log))
    before = {each.name: each.read_bytes() for each in backup.iterdir()}
    words = ("--member", "2", "--move", "BTC=60", "--output", "json")
    assert cli("drill", backup, *words, code=None).out == cli("drill", home_of(log), *words, code=None).out
    assert {each.name: each.read_bytes() for each in backup.iterdir()} == before


def test_the_text_names_the_member_its_loss_and_the_fund(log: Recorded, height: int, cli: CommandLine) -> None:
    printed = cli("drill", home_of(log), *MOVE, "--height", height, "--bids", "5", code=None)
    for part in ("default of member 1", "timeline", "loss ", "the default fund had", "contribution of"):
        assert part in printed.out
    assert printed.is_printable


def test_a_drill_leaves_a_homes_blocks_and_states_as_they_are(log: Recorded, height: int, cli: CommandLine) -> None:
    database = home_of(log) / "node.sqlite"
    before = database.read_bytes()
    cli("drill", home_of(log), *MOVE, "--height", height, code=None)
    cli("drill", home_of(log), "--stress")
    assert database.read_bytes() == before


def test_reverse_prints_moves_and_providers(log: Recorded, height: int, cli: CommandLine) -> None:
    printed = cli("drill", home_of(log), "--reverse", "--height", height)
    assert "smallest move" in printed.out
    assert "Herfindahl's index" in printed.out
    found = cli("drill", home_of(log), "--reverse", "--height", height, "--output", "json").json
    assert {move["group"] for move in found["moves"]} == {"all", "BTC", "ETH"}


def test_stress_prints_recorded_and_hypothetical_scenarios_beside_genesis(
    log: Recorded, height: int, cli: CommandLine
) -> None:
    printed = cli("drill", home_of(log), "--stress", "--height", height)
    for part in ("March 2020", "hypothetical", "crash", "as in genesis"):
        assert part in printed.out


def test_a_drill_of_nobody_known_ends_in_its_own_code(log: Recorded, cli: CommandLine) -> None:
    assert "R0908" in cli("drill", home_of(log), "--member", "nobody", code=1).err
    cli("drill", home_of(log), code=2)
    cli("drill", home_of(log), "--reverse", "--member", "1", code=2)
    cli("drill", home_of(log), "--stress", "--move", "BTC=-1", code=2)


def test_a_default_that_is_not_over_is_told_by_the_exit_code(log: Recorded, height: int, cli: CommandLine) -> None:
    words = ("--member", "1", "--no-force", "--blocks", "2", "--height", height)
    assert "NOT OVER" in cli("drill", home_of(log), *words, code=5).out


def test_a_day_of_a_log_and_of_a_home_has_one_disclosure(log: Recorded, cli: CommandLine) -> None:
    first = log.blocks[0].block.header.time_ms
    day = datetime.fromtimestamp(first / 1000, UTC).date().isoformat()
    of_home = cli("disclosure", day, home_of(log), "--output", "json")
    of_log = cli("disclosure", day, log.folder / "blocks.log", *file_options(log), "--output", "json")
    words = {"attested", "not_proven"}
    assert {name: of_home.json[name] for name in of_home.json.keys() - words} == {
        name: of_log.json[name] for name in of_log.json.keys() - words
    }
    assert "is not over" in of_home.err
    (ended,) = log.of_kind(DefaultEnded)
    losses = {
        figure["item"]: figure["value"]
        for field in of_home.json["fields"]
        if field["number"] == "13.1.1"
        for figure in field["figures"]
    }
    assert losses["default_1/loss"] == str(ended.loss)
    assert cli("disclosure", day, home_of(log)).out.startswith("day,field,title")
    cli("disclosure", "2001-01-01", home_of(log), code=None)
    cli("disclosure", "yesterday", home_of(log), code=2)


def test_a_day_is_not_over_by_a_block_that_nobody_certified(log: Recorded, cli: CommandLine, tmp_path: Path) -> None:
    """Half of a day, and a block of the next day that anybody can write: the figures would pass for the whole day's."""
    *kept, last = log.records[: log.height // 2]
    block = decode(last.block, Block, 2 * BLOCK_BYTES_MAX)
    day = datetime.fromtimestamp(block.header.time_ms / 1000, UTC).date().isoformat()
    header = replace(block.header, time_ms=block.header.time_ms + DAY_MS)
    cut = tmp_path / "cut.log"
    write_block_log(cut, log.home.network, [*kept, replace(last, block=encode(replace(block, header=header)))])
    assert not cli("disclosure", day, cut, *file_options(log), "--output", "json", code=6).out


def test_a_day_is_not_over_by_a_log_that_grew_between_two_looks_at_it(log: Recorded) -> None:
    """Cut and ended by anything at the first look, whole at the second: half of a day would pass for all of it."""
    source = StateSource(log.folder / "blocks.log", log.folder / "genesis.json", home_of(log), None, allow_weak=True)
    half = DayHeights(1, log.height // 2, over=True)
    with refused(NodeCode.BLOCK_LOG_CORRUPT):
        follow_day(source, half, lambda _: None)
    with refused(NodeCode.BLOCK_LOG_CORRUPT):
        follow_day(source, DayHeights(1, log.height + 1, over=False), lambda _: None)


def test_figures_of_a_log_name_whose_word_they_are(log: Recorded, cli: CommandLine) -> None:
    last = decode(log.records[-1].block, Block, 2 * BLOCK_BYTES_MAX).header
    day = datetime.fromtimestamp(last.time_ms / 1000, UTC).date().isoformat()
    asked = ("disclosure", day, log.folder / "blocks.log", *file_options(log), "--output", "json")
    named = cli(*asked).json
    assert named["attested"]["header_hash"] == last.hash.hex()
    assert named["not_proven"] == [IN_FORCE, LATER]
    assert cli(*asked, "--trust", f"{last.height}:{last.hash.hex()}").json["not_proven"] == [LATER]
    cli(*asked, "--trust", f"{last.height}:{'11' * 32}", code=6)
    of_home = cli("disclosure", day, home_of(log), "--output", "json").json
    assert (of_home["attested"], of_home["not_proven"]) == ({}, []), "the home is the caller's own"


def test_a_drill_says_that_nothing_of_a_backup_is_checked(log: Recorded, cli: CommandLine, tmp_path: Path) -> None:
    cli("backup", "create", tmp_path / "backup", "--home", home_of(log))
    assert UNCHECKED in cli("drill", tmp_path / "backup", "--stress").err
    assert IN_FORCE in cli("drill", log.folder / "blocks.log", "--stress", *file_options(log)).err
    assert "not proven" not in cli("drill", home_of(log), "--stress").err


def test_a_saved_state_that_a_log_replaces_meanwhile_is_still_said_to_be_unchecked(
    log: Recorded, height: int, cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = tmp_path / "secret" / "state.bin"
    saved.parent.mkdir(mode=0o700)
    cli("debug", "export", "--home", home_of(log), "--height", height, "--to", saved)
    read = StateSource.read

    def then_replace(source: StateSource, wanted: int | None = None) -> State:
        found = read(source, wanted)
        shutil.copyfile(log.folder / "blocks.log", saved)
        return found

    monkeypatch.setattr(StateSource, "read", then_replace)
    assert UNCHECKED in cli("drill", saved, "--stress", "--genesis", log.folder / "genesis.json").err


def test_a_backup_that_becomes_a_home_meanwhile_is_still_said_to_be_unchecked(
    log: Recorded, cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("backup", "create", tmp_path / "backup", "--home", home_of(log))
    read = StateSource.read

    def then_replace(source: StateSource, wanted: int | None = None) -> State:
        found = read(source, wanted)
        (tmp_path / "backup" / "backup.json").unlink()
        return found

    monkeypatch.setattr(StateSource, "read", then_replace)
    assert UNCHECKED in cli("drill", tmp_path / "backup", "--stress").err
