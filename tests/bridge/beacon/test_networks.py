"""Which beacon chain is followed: one that a profile describes, with every fork that is read, and no other."""

from itertools import pairwise

import pytest

from bridge.beacon.network import CAPELLA, DENEB, ELECTRA
from bridge.beacon.networks import beacon_chain_ids, network_of
from bridge.codes import BridgeCode
from bridge.rpc.chain_profiles import FOLDER, read_profile
from clearing.base.errors import LocalFault
from tests.kit.refusals import refused

TEXT = (FOLDER / "ethereum.toml").read_text(encoding="utf-8")
HOODI = 560_048
SEPOLIA, OPTIMISM, GNOSIS, DEVNET = 11_155_111, 10, 100, 31_337


def test_the_layout_of_each_fork_is_that_of_its_profile() -> None:
    assert [fork.layout for fork in network_of(1).forks] == [CAPELLA, DENEB, ELECTRA, ELECTRA]
    assert [fork.layout for fork in network_of(HOODI).forks] == [DENEB, ELECTRA, ELECTRA]
    assert network_of(HOODI).fork_at(2_047 * 32 + 31).version == bytes.fromhex("50000910")
    assert network_of(HOODI).fork_at(2_048 * 32).version == bytes.fromhex("60000910")


def test_no_two_beacon_chains_sign_alike() -> None:
    """What a committee of a test network signs must prove nothing of another."""
    networks = [network_of(chain_id) for chain_id in beacon_chain_ids()]
    roots = [network.signing_root(bytes(32), fork) for network in networks for fork in network.forks]
    assert len(set(roots)) == len(roots) == 7


def test_forks_are_known_in_order() -> None:
    for network in map(network_of, beacon_chain_ids()):
        assert all(before.epoch < after.epoch for before, after in pairwise(network.forks))


@pytest.mark.parametrize("chain_id", [SEPOLIA, OPTIMISM, GNOSIS, DEVNET])
def test_a_chain_whose_light_client_objects_are_not_read_is_refused_by_code(chain_id: int) -> None:
    with refused(BridgeCode.NO_BEACON_CHAIN, LocalFault) as caught:
        network_of(chain_id)
    assert caught.value.values == {"chain_id": chain_id, "served": "1, 560048"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("[[beacon_chains]]\nchain_id = 1\n", "[[beacon_chains]]\nchain_id = 10\n"),
        ("[[beacon_chains]]\nchain_id = 1\n", "[[beacon_chains]]\nchain_id = 560048\n"),
        ("genesis_time = 1606824023", "genesis_time = -1"),
        ("0x4b363db9", "0x4b363d"),
        ("0x4b363db9", "4b363db9"),
        ("epoch = 194048", "epoch = 269568"),
        ("epoch = 194048", "epoch = 300000"),
        ('version = "0x03000000"', 'version = "0x030000"'),
        ('version = "0x03000000"', 'version = "0x04000000"'),
        ('layout = "capella"', 'layout = "altair"'),
        ('layout = "capella"', 'layout = "capella", blobs = 6'),
    ],
)
def test_a_beacon_chain_with_a_fact_out_of_bounds_is_refused_as_a_whole(before: str, after: str) -> None:
    assert before in TEXT
    with refused(BridgeCode.BAD_PROFILE, LocalFault):
        read_profile("ethereum", TEXT.replace(before, after, 1))


def test_a_beacon_chain_needs_its_source() -> None:
    head, tail = TEXT.split("[[beacon_chains]]", 1)
    with refused(BridgeCode.BAD_PROFILE, LocalFault):
        read_profile("ethereum", head + "[[beacon_chains]]" + tail.replace("source", "sauce", 1))
