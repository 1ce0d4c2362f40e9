"""What a station that never stopped decided and wrote, to be executed, restored or replayed again."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from clearing.genesis.json import genesis_to_json
from clearing.schema.blocks.block import BlockResult
from clearing.schema.blocks.receipt import Receipt
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.requests.accounts import CashTransfer
from consensus.blocks.store import save_committed
from consensus.messages import CommittedBlock
from node.agreement.application import DecidedHeight
from node.store.block_log import read_block_log, write_block_log
from node.store.blocks import StoredBlocks
from node.store.records import BlockRecord, receipt_records
from node.store.store import Store
from node.sync.restore import encode_saved
from tests.kit.clearing.world import World
from tests.kit.node.proving import decided
from tests.kit.node.station import Home, Station, new_station, time_of

HEIGHTS = 5


@dataclass(repr=False)
class Recorded:
    """Of the station from when this is made; `write` puts genesis and blocks into files of the folder."""

    station: Station
    folder: Path
    results: dict[int, BlockResult] = field(default_factory=dict)
    roots: dict[int, tuple[bytes, ...]] = field(default_factory=dict)
    saved: dict[int, bytes] = field(default_factory=dict)
    """States at the ends of epochs."""

    def __post_init__(self) -> None:
        self.station.application.listen(self._note)

    def _note(self, decided: DecidedHeight) -> None:
        height = decided.header.height
        self.results[height] = decided.result
        self.roots[height] = tuple(decided.header.module_roots)
        if decided.result.snapshot_due:
            self.saved[height] = encode_saved(height, decided.state, self.station.epochs.record())

    @property
    def home(self) -> Home:
        return self.station.home

    @property
    def blocks(self) -> list[CommittedBlock]:
        return self.station.decided

    @property
    def height(self) -> int:
        return len(self.blocks)

    @property
    def state_root(self) -> bytes:
        return self.blocks[-1].block.header.state_root

    @property
    def receipts(self) -> dict[int, tuple[Receipt, ...]]:
        return {height: result.receipts for height, result in self.results.items()}

    def of_kind(self, kind: type[Any]) -> list[Any]:
        return [each for receipts in self.receipts.values() for each in receipts if isinstance(each, kind)]

    def heights_of(self, kind: type[Any]) -> list[int]:
        return [height for height, each in self.receipts.items() if any(isinstance(one, kind) for one in each)]

    def written(self, height: int) -> tuple[bytes, ...]:
        """Receipts of a height as a store has them."""
        return tuple(each.data for each in receipt_records(self.results[height]))

    @property
    def genesis_file(self) -> Path:
        return self.folder / "genesis.json"

    @property
    def log_file(self) -> Path:
        return self.folder / "blocks.log"

    @property
    def genesis_options(self) -> list[str]:
        return ["--genesis", str(self.genesis_file)]

    @property
    def options(self) -> list[str]:
        """Of commands that read the files."""
        return ["--log", str(self.log_file), "--home", str(self.home.path), "--devnet", *self.genesis_options]

    def write(self) -> None:
        self.genesis_file.write_bytes(genesis_to_json(self.home.genesis))
        write_block_log(self.log_file, self.home.network, self.station.store.blocks())

    @property
    def records(self) -> list[BlockRecord]:
        return list(read_block_log(self.log_file))

    def disk(self, path: Path, height: int | None = None, saved: int = 0) -> Store:
        """A node's disk with the blocks up to a height (default: all), and one saved state (0: none)."""
        store = Store(path, self.home.network)
        for committed in self.blocks[:height]:
            save_committed(StoredBlocks(store), committed)
        if saved:
            store.save_snapshot(saved, self.saved[saved])
        return store


def refused_transfer(_: World, height: int) -> tuple[Transaction, ...]:
    """So that there are receipts."""
    return (CashTransfer(1, 2, 1, 5, height, time_of(height) + 1000, bytes(64) + b"\x1b"),)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """A chain of one validator, with a request in each block."""
    folder = tmp_path_factory.mktemp("recorded")
    with new_station(folder) as station:
        chain = Recorded(station, folder)
        for _ in decided(station, HEIGHTS, requests=refused_transfer):
            """One after another."""
        chain.write()
    return chain
