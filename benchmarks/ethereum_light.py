"""CPU that the light client of Ethereum takes: for a final header, for the first one of a committee, for the next one.

A chain of generated keys whose committees have mainnet's size and short periods. Each answer is read from JSON, its
Merkle branches are followed and its signature is verified, as in a node; only the network is left out. Run:
python -m benchmarks.ethereum_light [periods]
"""

import time
from dataclasses import replace
from typing import Any

import msgspec

from benchmarks.figures import Figure, of_times, print_measured
from bridge.beacon.beacon_json import read_bootstrap, read_update
from bridge.beacon.sync_protocol import LightState, bootstrapped, updated
from clearing.base.errors import Bug
from tests.kit.bridge.beacon_chain import NETWORK, PERIOD_SLOTS, BeaconChain

PERIODS = 12
COMMITTEE_SIZE = 512
FINAL_STEP = 8
"""Slots between two final headers that are measured: not all of a period's."""


def figures(quick: bool = False) -> list[Figure]:
    """Medians over the periods that are followed."""
    return measured(3 if quick else PERIODS)


def measured(periods: int, committee_size: int = COMMITTEE_SIZE) -> list[Figure]:
    """The same for so many periods and committees of this size, every place of which has a key of its own."""
    network = replace(NETWORK, committee_size=committee_size)
    chain = BeaconChain(network=network, keys=committee_size)
    light = read_bootstrap(chain.bootstrap(1), network)
    state = bootstrapped(network, light.header.beacon.root, light)
    first: list[float] = []
    later: list[float] = []
    changes: list[float] = []
    size = 0

    def followed(answer: dict[str, Any], into: list[float]) -> LightState:
        """The state after an answer, which must move it; CPU seconds go to `into`."""
        text = msgspec.json.encode(answer)
        now = int(answer["signature_slot"])
        began = time.process_time()
        found = updated(network, state, read_update(msgspec.json.decode(text), network), now)
        into.append(time.process_time() - began)
        if found == state:
            raise Bug("an update that moved nothing was measured")
        return found

    for period in range(periods):
        start = period * PERIOD_SLOTS
        slots = range(start + FINAL_STEP, start + PERIOD_SLOTS - FINAL_STEP, FINAL_STEP)
        for slot in slots:
            state = followed(chain.finality_update(slot), first if slot == slots[0] else later)
        chain.final_slot = start + PERIOD_SLOTS - FINAL_STEP
        answer = chain.finality_update() | chain.next_committee(chain.final_slot)
        size = len(msgspec.json.encode(answer))
        state = followed(answer, changes)
    return [
        of_times(f"final header, {committee_size} signers", later),
        of_times("the first one of a committee: its keys are decoded", first),
        of_times(f"update with the next committee, of {size // 1000} kB", changes),
    ]


if __name__ == "__main__":
    print_measured(measured, PERIODS)
