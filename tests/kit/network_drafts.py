"""Drafts of a network, and cards of its validators, by commands."""

from pathlib import Path

from tests.kit.command_line import CommandLine

HOUSE = "0x" + "11" * 20


def new_draft(cli: CommandLine, folder: Path, name: str) -> Path:
    """A draft without anything."""
    cli("genesis", "new", folder, "--name", name, "--house", HOUSE)
    return folder


def card_of(cli: CommandLine, home: Path) -> Path:
    """The card of a new home."""
    cli("init", "--home", home, "--devnet", "--output", "json")
    path = home.with_suffix(".card")
    path.write_text(cli("validators", "card", "--home", home, "--devnet", "--output", "json").out)
    return path
