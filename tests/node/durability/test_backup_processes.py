"""A backup of a running validator brings it back after its blocks are lost: it fetches the rest, and votes again."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from clearing.schema.terms.genesis import MarketParameters
from devnet.testnet import Testnet, create_testnet
from node.offline.backup import STORE
from node.store.store import Store
from tests.kit.command_line import CommandLine
from tests.kit.node.house_alone import house_alone
from tests.kit.node.verb_process import VerbProcess, start_words
from tests.kit.ports import free_ports

EPOCH = 8


@pytest.fixture
def net(tmp_path: Path) -> Testnet:
    market = MarketParameters(epoch_blocks=EPOCH, snapshot_delay_blocks=3)
    genesis = partial(house_alone, time_ms=time.time_ns() // 1_000_000, market=market)
    return create_testnet(tmp_path / "net", genesis, validators=4, devnet=True, seed=13)


@pytest.fixture
def processes() -> Iterator[list[VerbProcess]]:
    started: list[VerbProcess] = []
    yield started
    for process in started:
        process.stop()


def reach(process: VerbProcess, height: int) -> int:
    while (at := int(process.until("epoch snapshot")["height"])) < height:
        """Wait."""
    return at


def test_lost_blocks_come_back_from_a_backup_and_from_peers(
    net: Testnet, processes: list[VerbProcess], tmp_path: Path, cli: CommandLine
) -> None:
    ports, home, folder = free_ports(4), net.nodes[3].home, tmp_path / "backup"
    processes += [VerbProcess(*start_words(net, ports, index)) for index in range(4)]
    reach(processes[3], 2 * EPOCH)
    made = cli("backup", "create", folder, "--home", home, "--output", "json").json
    assert made["height"] >= 2 * EPOCH
    assert cli("backup", "verify", folder, "--output", "json").json == made
    cli("backup", "restore", folder, "--home", home, code=7)
    lost_at = reach(processes[3], made["height"] + 2 * EPOCH)
    processes[3].kill()
    for path in home.glob(f"{STORE}*"):
        path.unlink()
    cli("backup", "restore", folder, "--home", home)
    again = VerbProcess(*start_words(net, ports, 3))
    processes.append(again)
    reach(again, lost_at + EPOCH)
    processes[2].kill()
    stood = reach(again, lost_at + 2 * EPOCH)
    reach(again, stood + 2 * EPOCH)
    for process in processes:
        process.stop()
    with Store(home / STORE, net.network) as ours, Store(net.nodes[0].home / STORE, net.network) as theirs:
        assert ours.first_height() == 1
        for height in range(1, min(ours.height(), theirs.height()) + 1):
            mine, other = ours.block(height), theirs.block(height)
            assert mine is not None is not other
            assert mine.block == other.block
