"""The demonstration exits 0 with everything shown, and leaves its folder and nothing else."""

import json
import re
import subprocess
import sys

import pytest

from devnet.demo.report import Summary
from tests.kit.e2e.bit_flips import OF_THE_COMMAND
from tests.kit.e2e.demo_folder import DemoFolder, command_line
from tests.kit.e2e.leftovers import ROOT, files_under, left_running

pytestmark = [pytest.mark.network, pytest.mark.chain]


def test_the_demo_exits_0_and_tells_on_stderr_what_it_showed(demo_run: DemoFolder) -> None:
    assert demo_run.exit_code == 0, demo_run.stderr
    assert demo_run.stdout == ""
    for shown in ("What the demonstration showed", "block latency p50 / p99", "Margin at the end", "matched_book"):
        assert shown in demo_run.stderr
    assert "missing:" not in demo_run.stderr
    assert "Traceback" not in demo_run.stderr


def test_the_summary_holds_everything_that_must_be_shown(demo_run: DemoFolder) -> None:
    summary = demo_run.summary
    assert set(summary) == set(Summary.__struct_fields__)
    assert (summary["ok"], summary["missing"]) == (True, [])
    assert summary["deposits"].keys() == {"chain0", "chain1"}
    assert min(summary["deposits"].values()) > 0
    assert summary["trades"].keys() == {"perpetual", "future", "option"}
    assert min(summary["trades"].values()) > 0
    assert summary["liquidations"] + summary["defaults"] > 0
    assert summary["margin_calls"] > 0
    assert summary["fund_members"] >= 7
    assert summary["fund_micros"] >= 7 * 500_000_000
    assert summary["withdrawals_across_chains"] >= 1
    assert summary["withdrawals_confirmed"] >= 1
    assert 0 <= summary["heights_until_root_equal_after_restart"] <= 20
    assert summary["proofs"] > 0
    assert summary["package_bytes"] == demo_run.package.stat().st_size
    assert 0 < summary["block_latency_ms_p50"] <= summary["block_latency_ms_p99"]
    assert len(summary["members"]) == 9
    assert re.fullmatch("[0-9a-f]{64}", summary["state_root"])


def test_the_report_has_a_chart_of_each_kind(demo_run: DemoFolder) -> None:
    page = (demo_run.folder / "report.html").read_text()
    titles = ("Index, first price 100", "Equity beyond initial margin", "from one height to the next", "prove an epoch")
    assert [title for title in titles if f'{title}"' not in page] == []
    assert "margin call" in page


def test_volatility_rises_with_the_crash_and_an_early_call_follows_from_it(demo_run: DemoFolder) -> None:
    summary = demo_run.summary
    rises = {line["group"]: line["highest_ppm"] / line["first_ppm"] for line in summary["volatility"]}
    assert rises.keys() == {"BTC", "ETH"}
    assert min(rises.values()) > 1.3
    falls = {line["feed"]: line["lowest_ticks"] / line["first_ticks"] for line in summary["prices"]}
    assert falls.keys() == {"BTC", "ETH"}
    assert max(falls.values()) < 0.7
    calls = summary["early_calls"]
    assert any(3 * call["first_probability_ppm"] <= 2 * call["probability_ppm"] for call in calls)
    assert all(call["threshold_ppm"] <= call["probability_ppm"] for call in calls)
    shown = re.sub(r"[\s│]+", " ", demo_run.stderr)
    assert "price of BTC falls by" in shown
    assert "on the first surface, at the same prices: it follows from volatility" in shown


def test_every_figure_of_the_table_is_in_the_summary(demo_run: DemoFolder) -> None:
    summary = demo_run.summary
    shown = re.sub(r"\s+", " ", demo_run.stderr)
    assert f"{summary['block_latency_ms_p50']:.0f} ms / {summary['block_latency_ms_p99']:.0f} ms" in shown
    assert f"equal root {summary['heights_until_root_equal_after_restart']} heights after" in shown
    for line in summary["members"]:
        assert f"{line['equity_micros'] / 1e6:,.2f}" in shown


def test_nothing_is_left_running(demo_run: DemoFolder) -> None:
    assert left_running(demo_run.mark, demo_run.folder) == []


def test_nothing_is_written_outside_the_folder(demo_run: DemoFolder) -> None:
    assert files_under(demo_run.private) == {"home", "tmp", "work"}
    assert demo_run.appeared == frozenset()
    assert {path.name for path in demo_run.folder.parent.iterdir()} == {"demo-out", "private"}


def test_the_folder_holds_summary_package_block_logs_and_logs(demo_run: DemoFolder) -> None:
    names = {path.name for path in demo_run.folder.iterdir()}
    assert {"summary.json", "epoch.ccp", "logs", "nodes"} <= names
    assert all(path.is_file() for path in demo_run.block_logs)
    logs = sorted((demo_run.folder / "logs").glob("*.log"))
    assert [log.stem for log in logs] == [home.name for home in demo_run.homes]
    proven = set()
    for log in logs:
        lines = log.read_text().splitlines()
        answers = [json.loads(line) for line in lines if line.startswith("{")]
        assert [each for each in answers if each["level"] in ("error", "critical")] == []
        assert {"restored", "running", "stopped"} <= {each["event"] for each in answers}
        proven |= {each["event"] for each in answers} & {"epoch proven"}
        # Python's own process cleans up after the validator that was killed, and says so; nobody else says anything.
        others = [line for line in lines if not line.startswith("{")]
        assert not others or log == logs[-1]
        assert [line for line in others if "resource_tracker" not in line] == []
    assert proven, "one package an epoch is promised, not one of each validator"


def test_no_log_tells_a_secret(demo_run: DemoFolder) -> None:
    secrets = [demo_run.network_seed.hex()] + [(home / "password").read_text().strip() for home in demo_run.homes]
    for log in (demo_run.folder / "logs").glob("*.log"):
        text = log.read_text()
        assert not any(secret in text for secret in secrets)


def test_verify_prints_its_fields_as_json(demo_run: DemoFolder) -> None:
    words = ["verify", str(demo_run.package), "--genesis", str(demo_run.genesis_path)]
    answer = command_line(*words, "--no-strict", "--output", "json")
    assert answer.returncode == 0, answer.stderr
    report = json.loads(answer.stdout)
    fields = ["ok", "height", "network", "checks", "bytes", "seconds"]
    fields += ["epoch", "not_run", "claim", "not_proven", "file", "attested", "open", "strict"]
    assert list(report) == [*fields, "cpu_seconds", "peak_bytes"]
    assert report["ok"] is True
    assert report["height"] == demo_run.summary["package_height"]
    assert report["network"] == demo_run.summary["network"]
    assert [check["name"] for check in report["checks"]] == list(OF_THE_COMMAND)
    names = ["name", "ok", "detail", "meaning", "code", "seconds", "complete"]
    assert all(list(check) == names and check["ok"] and check["meaning"] for check in report["checks"])
    assert report["bytes"] == demo_run.package.stat().st_size
    assert report["seconds"] > 0
    assert report["cpu_seconds"] > 0


def test_the_packages_of_all_validators_are_one_history(demo_run: DemoFolder) -> None:
    # A slow validator may have proven nothing by the end.
    folders = [str(folder) for home in demo_run.homes if (folder := home / "packages").exists()]
    options = ["--genesis", str(demo_run.genesis_path), "--allow", "gaps", "--no-strict", "--output", "json"]
    answer = command_line("proof", "history", *folders, *options)
    assert answer.returncode == 0, answer.stdout
    report = json.loads(answer.stdout)
    assert report["epochs"][0] == 1
    assert {*range(1, demo_run.summary["package_epoch"] + 1)} <= set(report["epochs"])
    assert len(report["packages"]) >= len(report["epochs"]) > 1
    assert all(each["linked"] for each in report["packages"])


def test_verify_imports_nothing_that_talks_to_chains_or_peers(demo_run: DemoFolder) -> None:
    program = (
        "import sys; from cli.main import run; code = run(sys.argv[1:]); "
        "print(code, *sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program, "verify", str(demo_run.package), "--genesis", str(demo_run.genesis_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    code, *modules = answer.stderr.split()
    assert code == "0"
    assert "proofs" in modules
    # numpy is there: options in the rulebook are priced again, as the engine does.
    assert not {"web3", "libp2p", "trio", "httpx", "bridge", "consensus", "py_ecc"} & set(modules)
