"""Two installs at once into one home, and homes whose files are links: what is left is one network, in that home."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from cli.output import ExitCode
from tests.kit.command_line import CommandLine
from tests.kit.network_drafts import card_of, new_draft


def _network(cli: CommandLine, folder: Path, card: Path, port: int) -> Path:
    new_draft(cli, folder, folder.name)
    cli("genesis", "add-validator", folder, card, "--address", f"192.0.2.1:{port}")
    cli("genesis", "build", folder)
    return folder


@pytest.fixture
def two(cli: CommandLine, tmp_path: Path) -> tuple[Path, Path, Path]:
    """A home, and two networks of which it is a validator."""
    card = card_of(cli, tmp_path / "in")
    one, other = (_network(cli, tmp_path / name, card, port) for name, port in (("network", 26600), ("other", 26700)))
    return tmp_path / "in", one, other


def test_of_two_installs_at_once_one_is_refused(two: tuple[Path, Path, Path]) -> None:
    home, *networks = two
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "cli", "genesis", "install", str(network), "--home", str(home)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for network in networks
    ]
    said = [process.communicate() for process in started]
    codes = [process.returncode for process in started]
    assert sorted(codes) == [ExitCode.OK, ExitCode.SAFETY], said
    won = networks[codes.index(ExitCode.OK)]
    assert (home / "genesis.json").read_bytes() == (won / "genesis.json").read_bytes()
    port = tomllib.loads((home / "node.toml").read_text())["p2p"]["port"]
    assert port == (26600 if won == networks[0] else 26700)


def test_an_install_writes_through_no_hard_link(two: tuple[Path, Path, Path], cli: CommandLine) -> None:
    home, network, _ = two
    outside = home.parent / "outside.toml"
    outside.write_bytes((home / "node.toml").read_bytes())
    before = outside.read_bytes()
    (home / "node.toml").unlink()
    (home / "node.toml").hardlink_to(outside)
    cli("genesis", "install", network, "--home", home)
    assert outside.read_bytes() == before


def test_settings_that_are_a_link_into_another_home_take_no_network(
    two: tuple[Path, Path, Path], cli: CommandLine
) -> None:
    """The other home would get the genesis, and this one the seed."""
    home, network, _ = two
    other = home.parent / "second"
    card_of(cli, other)
    (home / "node.toml").unlink()
    (home / "node.toml").symlink_to(other / "node.toml")
    cli("genesis", "install", network, "--home", home, code=ExitCode.CONFIG)
    assert not (other / "genesis.json").exists()
    assert not (home / "keys" / "network-seed.json").exists()


def test_a_link_that_leads_nowhere_is_not_written_through(two: tuple[Path, Path, Path], cli: CommandLine) -> None:
    home, network, _ = two
    (home / "genesis.json").symlink_to(home.parent / "elsewhere.json")
    cli("genesis", "install", network, "--home", home, code=ExitCode.SAFETY)
    assert not (home.parent / "elsewhere.json").exists()
    (home / "genesis.json").unlink()
    cli("genesis", "install", network, "--home", home)
