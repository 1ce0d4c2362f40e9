"""Commands that ask a node find the one that a person means."""

from pathlib import Path

from cli.options import url_at_hand
from member.default_ports import API_URL
from tests.kit.command_line import CommandLine


def home(folder: Path, api: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "node.toml").write_text(api)


def test_a_command_asks_the_node_whose_home_is_at_hand(tmp_path: Path) -> None:
    assert url_at_hand(tmp_path) == API_URL
    home(tmp_path / "devnet-out" / "nodes" / "n0", "[api]\nport = 5\n")
    assert url_at_hand(tmp_path) == "http://127.0.0.1:5"
    assert url_at_hand(tmp_path / "devnet-out") == "http://127.0.0.1:5"
    for api, url in (
        ('[api]\nhost = "0.0.0.0"\nport = 7\n', "http://127.0.0.1:7"),
        ('[api]\nhost = "::"\n', "http://[::1]:26680"),
        ("[api]\nenabled = false\n", "http://127.0.0.1:5"),
        ("[p2p]\nport = 9\n", API_URL),
        ("api = 7\n", "http://127.0.0.1:5"),
        ('[api]\nport = "x"\n', "http://127.0.0.1:5"),
        ("no toml", "http://127.0.0.1:5"),
    ):
        home(tmp_path, api)
        assert url_at_hand(tmp_path) == url, api


def test_a_plugin_says_critical_of_a_node_that_does_not_answer(cli: CommandLine) -> None:
    found = cli("check", "--url", "http://127.0.0.1:9", code=2)
    assert found.out.startswith("CROSSCLEAR CRITICAL - ")
    assert cli("check", "--url", "nonsense", code=2).out.count("\n") == 1
