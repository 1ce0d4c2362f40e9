"""The table of endpoints, faults and chains has no cell that it must not have."""

from pathlib import Path

import pytest

from tests.kit.bridge.fault_matrix import FaultWorld, matrix, rows
from tests.kit.bridge.vault_chain import FOUR, VaultChain

pytestmark = pytest.mark.chain


async def test_every_fault_of_endpoints_credits_the_truth_or_shows_why_not(anvil, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("bridge.rpc.endpoint_set.GRACE_SECONDS", 0.05)
    monkeypatch.setattr("bridge.rpc.endpoint_set.PATIENCE_SECONDS", 0.2)
    found = await matrix(FaultWorld.on(VaultChain(anvil(), FOUR)), tmp_path / "stores")
    wrong = [row for row in rows(found) if "!" in row]
    assert wrong == []
    texts = {each.text for verdicts in found.values() for each in verdicts if each is not None}
    assert {"credits", "waits R0644", "waits R0646", "waits R0606", "waits R0688", "halts R0685"} <= texts
