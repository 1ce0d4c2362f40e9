"""The tutorials, done line by line in an empty folder."""

from pathlib import Path

from tests.kit.tutorial import follow

NODE_PORTS = (26601, 26602, 26603, 26681, 26682, 26683)


def test_every_command_on_a_network_of_ones_own_works(tmp_path: Path) -> None:
    said = follow(tmp_path, ("first-network.md", "rotate-keys.md"), NODE_PORTS)
    assert "CROSSCLEAR OK" in said or "CROSSCLEAR WARNING" in said
    assert said.count("ready") >= 1
    assert "validator-retired-" in said
