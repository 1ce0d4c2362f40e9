"""Recorded light-client data: mainnet's of August 2023, and an official case of the minimal preset."""

import json
from pathlib import Path
from typing import Any

from bridge.beacon.beacon_json import read_bootstrap, read_update
from bridge.beacon.containers import Bootstrap, Update
from bridge.beacon.network import ELECTRA, BeaconNetwork, Fork
from bridge.beacon.networks import network_of

MAINNET = network_of(1)
MINIMAL_ROOT = bytes.fromhex("0a08c27fe4ece2483f9e581f78c66379a06f96e9c24cd1390594ff939b26f95b")
MINIMAL = BeaconNetwork(
    genesis_time=0,
    genesis_validators_root=MINIMAL_ROOT,
    forks=(Fork(0, bytes.fromhex("05000001"), ELECTRA),),
    committee_size=32,
    slots_per_epoch=8,
    epochs_per_period=8,
    seconds_per_slot=6,
)
"""The minimal preset of the consensus specifications, as the recorded case has it."""
NOW = 7_200_000
"""A slot after all of mainnet's recorded data."""


class RecordedBeacon:
    """Everything recorded, as JSON and as objects."""

    def __init__(self, folder: Path) -> None:
        def data(name: str) -> Any:
            return json.loads((folder / "chains" / f"ethereum-lc-{name}.json").read_text())["data"]

        self.bootstrap_json: dict[str, Any] = data("mainnet-bootstrap")["data"]
        self.updates_json: list[dict[str, Any]] = [each["data"] for each in data("mainnet-updates")]
        self.finality_json: dict[str, Any] = data("mainnet-finality-update")["data"]
        self.optimistic_json: dict[str, Any] = data("mainnet-optimistic-update")["data"]
        self.minimal: dict[str, Any] = data("electra-minimal-sync")

    @property
    def bootstrap(self) -> Bootstrap:
        return read_bootstrap(self.bootstrap_json, MAINNET)

    @property
    def updates(self) -> list[Update]:
        return [read_update(each, MAINNET) for each in self.updates_json]

    @property
    def finality(self) -> Update:
        return read_update(self.finality_json, MAINNET)
