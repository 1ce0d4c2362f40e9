"""A node of one validator that has closed and proven an epoch, with what its members may fetch of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from node.api.view import NodeView
from node.app.persister import Persister
from node.epochs.member_files import EpochExits, EpochHoldings
from node.epochs.service import write_package
from node.epochs.signed_answers import answer_signer
from tests.kit.node.live_view import live_view
from tests.kit.node.proving import CARRIED, ProverAtOnce, decide, first_deposits, prove_now
from tests.kit.node.recorded import Recorded
from tests.kit.node.station import MARKET, new_station


@dataclass(frozen=True)
class ClosedEpoch:
    """Its view; genesis and blocks in files; the package of the epoch."""

    view: NodeView
    log: Recorded
    package: Path


@contextmanager
def closed_epoch(folder: Path) -> Iterator[ClosedEpoch]:
    """In this folder; account 1 has cash and collateral."""
    with new_station(folder, ProverAtOnce()) as station:
        log, home = Recorded(station, folder), station.home.path
        signs = answer_signer(station.home.network, bytes([5]) * 32)
        holdings = EpochHoldings(folder / "holdings", station.epochs.seed_of, sign=signs)
        exits = EpochExits(folder / "exits")
        persister = Persister(station.store, station.epochs, holdings=holdings, exits=exits)
        station.application.listen(persister.decided)
        committed = decide(station, CARRIED, first_deposits)
        data = prove_now(station, station.epochs.provable(CARRIED), committed)
        station.store.save_package(write_package(home / "packages", home, 1, MARKET.epoch_blocks, data))
        (folder / "epoch.ccp").write_bytes(data)
        trio.run(station.write_results, persister)
        log.write()
        yield ClosedEpoch(live_view(station, holdings=holdings, exits=exits), log, folder / "epoch.ccp")
