"""The tutorials, done line by line in an empty folder."""

from pathlib import Path

from tests.kit.tutorial import follow

PORTS = (26601, 26602, 26603, 26604, 26681, 26682, 26683, 26684)
PAGES = ("first-network.md", "rotate-keys.md", "join.md", "recover-a-disk.md", "upgrade.md", "respond-to-alerts.md")


def test_every_command_on_a_network_of_ones_own_works(tmp_path: Path) -> None:
    """One page goes on where others ended."""
    said = follow(tmp_path, PAGES, PORTS)
    assert said.count("CROSSCLEAR OK") + said.count("CROSSCLEAR WARNING") >= 8
    assert "validator-retired-" in said
    assert "the key may have signed before" in said
