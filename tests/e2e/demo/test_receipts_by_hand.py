"""Out of the demonstration's block logs: exit leaves check by genesis alone, and every receipt recomputes."""

import json
from pathlib import Path

import pytest

from proofs.epoch.package import read_package
from tests.kit.e2e.demo_folder import DemoFolder, command_line

pytestmark = [pytest.mark.network, pytest.mark.chain]

MEMBER = "6"


def from_log(demo_run: DemoFolder, at: int) -> list[str]:
    home, log = demo_run.homes[at], demo_run.block_logs[at]
    return ["--log", str(log), "--home", str(home), "--genesis", str(demo_run.genesis_path), "--devnet"]


def test_two_logs_give_a_member_the_same_leaves_and_genesis_is_trust_enough(
    demo_run: DemoFolder, tmp_path: Path
) -> None:
    epoch = str(read_package(demo_run.package.read_bytes()).statement.epoch)
    exits = []
    for at in (0, 1):
        out = tmp_path / f"exit-{at}.json"
        command = ["exit", "show", MEMBER, "--epoch", epoch, *from_log(demo_run, at), "--out", str(out)]
        answer = command_line(*command)
        assert answer.returncode == 0, answer.stderr
        answer = command_line("exit", "verify", str(out), "--genesis", str(demo_run.genesis_path))
        assert answer.returncode == 0, answer.stdout
        assert "if everything ended at this epoch" in answer.stdout
        exits.append(json.loads(out.read_bytes())["exit"])
    assert exits[0] == exits[1]
    assert sum(int(leaf["amount"]) for leaf in exits[0]["leaves"]) > 0
    lie = tmp_path / "exit-0.json"
    file = json.loads(lie.read_bytes())
    file["exit"]["leaves"][0]["amount"] = str(int(file["exit"]["leaves"][0]["amount"]) + 1)
    lie.write_text(json.dumps(file))
    assert command_line("exit", "verify", str(lie), "--genesis", str(demo_run.genesis_path)).returncode == 6


@pytest.mark.parametrize("verb", ["liquidations", "waterfall", "fund"])
def test_every_receipt_of_the_demonstration_recomputes(demo_run: DemoFolder, verb: str) -> None:
    answer = command_line(verb, "explain", *from_log(demo_run, -1), "--output", "json")
    assert answer.returncode == 0, answer.stderr
    for each in json.loads(answer.stdout):
        assert not [line for line in each["lines"] if line["ok"] is False], each


def test_what_is_explained_is_what_the_summary_counts(demo_run: DemoFolder) -> None:
    printed = {}
    for verb in ("liquidations", "waterfall"):
        answer = command_line(verb, "explain", *from_log(demo_run, 0))
        assert answer.returncode == 0, answer.stderr
        printed[verb] = answer.stdout
    assert printed["liquidations"].count("LiquidationOpened: slices of account ") == demo_run.summary["liquidations"]
    assert printed["liquidations"].count("SliceSold") == demo_run.summary["slices_sold"]
    assert printed["waterfall"].count("DefaultDeclared") == demo_run.summary["defaults"]


def test_liquidations_of_one_account_tell_of_no_other(demo_run: DemoFolder) -> None:
    answer = command_line("liquidations", "explain", *from_log(demo_run, 0), "--account", "4")
    assert answer.returncode == 0, answer.stderr
    assert "account 5" not in answer.stdout
