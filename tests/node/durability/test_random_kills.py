"""Processes killed at random moments; `python -m tests.kills` does it hundreds of times."""

import shutil
from pathlib import Path

from node.store.records import BlockRecord
from node.store.store import Store
from tests.kit.node.random_kills import kill_at_random, wrong_on_disks

KILLS = 8


def test_kills_at_random_moments_lose_and_fork_nothing(tmp_path: Path) -> None:
    """The disks that came through are then spoilt in each way that must be found."""
    ordeal, wrong = kill_at_random(tmp_path, KILLS, seed=5)
    assert wrong == []
    assert ordeal.kills == KILLS
    network, homes = ordeal.net.network, [node.home for node in ordeal.net.nodes]
    top = max(ordeal.decided.values())
    assert wrong_on_disks(homes, network, ordeal.decided) == []
    assert wrong_on_disks(homes, network, {2: top + 1_000})[0].startswith("node 2 said to have decided")

    assert [home.name for home in homes if _blocks(home, network) < 2] == []
    whole = homes[0]
    spoilt = tmp_path / "spoilt"
    shutil.copytree(whole, spoilt)
    with Store(spoilt / "node.sqlite", network) as store:
        last = store.height()
        record, before = store.block(last), store.block(last - 1)
        assert record is not None
        assert before is not None
        store.remove_newest(last)
        store.save_blocks([BlockRecord(last, before.block, before.certificate, before.extended_commit)])
    found = wrong_on_disks([whole, spoilt], network, {})
    assert f"node 1 has no chain from {last - 1} to {last}" in found
    assert f"two blocks of height {last}" in found


def _blocks(home: Path, network: bytes) -> int:
    with Store(home / "node.sqlite", network) as store:
        return store.height() - store.first_height() + 1
