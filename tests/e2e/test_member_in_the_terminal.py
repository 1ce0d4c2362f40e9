"""The tutorial of a member in the terminal, done line by line at a devnet: deposit, trade, margin, withdrawal."""

from pathlib import Path

import pytest

from tests.kit.tutorial import follow

pytestmark = [pytest.mark.network, pytest.mark.chain]


def test_a_members_day_by_its_commands_alone(anvil_binary: Path, tmp_path: Path) -> None:
    said = follow(tmp_path, ("member.md",), ())
    assert "deposit " in said
    assert "50.50 USDC@" in said
    assert "credited" in said
    assert "heidi (account 8) buys 10 lots (0.01) of BTC-PERP" in said
    assert said.count("novated at height") == 2, "confirmed by grace, seen by heidi"
    assert "group loss BTC" in said
    assert "liquidated when" in said
    assert "withdrawal of 20.25 USDC@" in said
    assert ": paid" in said
    assert "nothing is for sale" in said
