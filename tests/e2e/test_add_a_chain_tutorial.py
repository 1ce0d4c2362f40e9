"""The tutorial on adding a chain, done line by line: a spare chain, a vault, a vote, a deposit, an alert."""

from pathlib import Path

import pytest

from tests.kit.tutorial import follow

pytestmark = [pytest.mark.network, pytest.mark.chain]


def test_every_command_of_adding_a_chain_works(anvil_binary: Path, tmp_path: Path) -> None:
    said = follow(tmp_path, ("add-a-chain.md",), ())
    assert "credited" in said
    assert "CROSSCLEAR CRITICAL" in said
