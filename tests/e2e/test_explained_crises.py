"""Every call, liquidation and default of the demonstration can be computed again from its block log and receipts."""

import json

import pytest

from tests.e2e.demo_folder import DemoFolder, command_line

pytestmark = [pytest.mark.network, pytest.mark.chain]


def explained(demo: DemoFolder, verb: str, *more: str) -> tuple[int, str]:
    log, home = demo.block_logs[0], demo.homes[0]
    arguments = ["--log", str(log), "--genesis", str(demo.genesis_path), "--home", str(home), "--devnet", *more]
    answer = command_line(verb, "explain", *arguments)
    return answer.returncode, answer.stdout if answer.returncode == 0 else answer.stderr


def test_each_line_of_each_liquidation_comes_out_as_its_receipt_states(demo_run: DemoFolder) -> None:
    code, told = explained(demo_run, "liquidations")
    assert code == 0, told
    assert "LiquidationOpened: slices of account 5 are for sale" in told
    assert told.count("SliceSold") == demo_run.summary["slices_sold"]


def test_liquidations_of_one_account_tell_of_no_other(demo_run: DemoFolder) -> None:
    code, told = explained(demo_run, "liquidations", "--account", "5", "--output", "json")
    assert code == 0, told
    assert "MarginCalled" in json.dumps(json.loads(told)) or "EarlyCalled" in told
    code, told = explained(demo_run, "liquidations", "--account", "4")
    assert code == 0, told
    assert "account 5" not in told


def test_defaults_are_told_with_sums_that_hold(demo_run: DemoFolder) -> None:
    code, told = explained(demo_run, "waterfall")
    assert code == 0, told
    assert told.count("DefaultDeclared") == demo_run.summary["defaults"]
