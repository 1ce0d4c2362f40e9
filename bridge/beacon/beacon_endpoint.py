"""One endpoint of the Beacon API, as far as the light client asks it.

Rule: an endpoint is believed nothing; here its answers are only bounded and given their types. Source: Ethereum Beacon
API, "Beacon" / light_client (bootstrap, updates, finality_update).
"""

from collections.abc import Sequence
from typing import Protocol

from bridge.beacon.beacon_json import read_bootstrap, read_update
from bridge.beacon.containers import Bootstrap, Update
from bridge.beacon.network import BeaconNetwork
from bridge.evm.hexadecimal import hex_data, read_list, read_object
from bridge.rpc.bounded_http import TIMEOUT_SECONDS, BoundedHttp
from bridge.rpc.strict_json import read_json

ANSWER_BYTES_MAX = 2 << 20
"""A mainnet update has 60 kB."""
VALUES_MAX = 1 << 14
UPDATES_MAX = 8
"""In one answer."""
LIGHT_CLIENT = "/eth/v1/beacon/light_client"


class BeaconSource(Protocol):
    """What the light client follows."""

    @property
    def name(self) -> str:
        """Host and port."""

    async def bootstrap(self, block_root: bytes) -> Bootstrap:
        """Of the block with this root. Raises RemoteFault."""

    async def updates(self, first_period: int, count: int) -> Sequence[Update]:
        """The best of each period, at most `count`; fewer where there are none yet. Raises RemoteFault."""

    async def finality_update(self) -> Update:
        """The newest. Raises RemoteFault."""


class BeaconEndpoint:
    """A `BeaconSource` over HTTP. `aclose` it."""

    def __init__(self, url: str, network: BeaconNetwork, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._http = BoundedHttp(url, timeout_seconds, ANSWER_BYTES_MAX, VALUES_MAX)
        self._network = network
        self.name = self._http.name

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def bootstrap(self, block_root: bytes) -> Bootstrap:
        """As the protocol says."""
        answer = await self._get(f"{LIGHT_CLIENT}/bootstrap/{hex_data(block_root)}")
        return read_bootstrap(read_object(answer, "bootstrap").get("data"), self._network)

    async def updates(self, first_period: int, count: int) -> Sequence[Update]:
        """As the protocol says; `count` is at most UPDATES_MAX."""
        answer = await self._get(f"{LIGHT_CLIENT}/updates?start_period={first_period}&count={count}")
        items = [read_object(item, "updates") for item in read_list(answer, "updates", count)]
        return [read_update(item.get("data"), self._network) for item in items]

    async def finality_update(self) -> Update:
        """As the protocol says."""
        answer = await self._get(f"{LIGHT_CLIENT}/finality_update")
        return read_update(read_object(answer, "finality_update").get("data"), self._network)

    async def _get(self, path: str) -> object:
        return read_json(await self._http.get(path), self.name)
