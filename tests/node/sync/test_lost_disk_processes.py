"""Four processes begin a network at once; one of them loses its disk, and never contradicts itself."""

import json
import shutil
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from clearing.base.certificate import Certificate, signer_indices
from clearing.base.codec import decode
from clearing.schema.terms.genesis import MarketParameters
from cli.output import ExitCode
from devnet.testnet import Testnet, create_testnet
from member.codes import NodeCode
from node.signer.sign_state import SIGN_STATE
from node.store.store import Store
from tests.kit.node.house_alone import house_alone
from tests.kit.node.verb_process import VerbProcess, start_words
from tests.kit.ports import free_ports

EPOCH = 8
KEPT = ("keys", "password", "genesis.json", "node.toml")


def network(tmp_path: Path, epoch_blocks: int) -> Testnet:
    market = MarketParameters(epoch_blocks=epoch_blocks, snapshot_delay_blocks=3)
    genesis = partial(house_alone, time_ms=time.time_ns() // 1_000_000, market=market)
    return create_testnet(tmp_path / "net", genesis, validators=4, devnet=True, seed=12)


@pytest.fixture
def net(tmp_path: Path) -> Testnet:
    return network(tmp_path, EPOCH)


@pytest.fixture
def processes() -> Iterator[list[VerbProcess]]:
    started: list[VerbProcess] = []
    yield started
    for process in started:
        process.stop()


def test_a_lost_disk_makes_a_validator_silent_and_then_a_validator_again(
    net: Testnet, processes: list[VerbProcess]
) -> None:
    ports = free_ports(4)
    lost = net.nodes[3].home
    processes += [VerbProcess(*start_words(net, ports, index)) for index in range(4)]
    while processes[3].until("epoch snapshot")["height"] < 2 * EPOCH:
        """Wait until there is something to join."""
    processes[3].kill()
    for path in lost.iterdir():
        if path.name not in KEPT:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    refused = VerbProcess(*start_words(net, ports, 3), "--set", "state_sync.enabled=false")
    assert refused.ended() == (ExitCode.SAFETY, [NodeCode.SIGN_STATE_MISSING.label]), refused.lines
    assert {path.name for path in lost.iterdir()} == set(KEPT), "nothing is written"
    again = VerbProcess(*start_words(net, ports, 3))
    processes.append(again)
    silent_to = again.until("the key may have signed before: it signs nothing up to this height")["height"]
    joined = again.until("joined")["height"]
    assert joined <= silent_to
    while again.until("epoch snapshot")["height"] < silent_to:
        """Wait until it may sign."""
    processes[2].kill()
    stood = again.until("epoch snapshot")["height"]
    while again.until("epoch snapshot")["height"] < stood + 2 * EPOCH:
        """Nothing more is decided without it."""
    for process in processes:
        process.stop()
    index = net.genesis.validators.index_of[net.nodes[3].envelope_key]
    with Store(net.nodes[0].home / "node.sqlite", net.network) as store:
        records = [store.block(height) for height in range(joined, store.height() + 1)]
    voted = [
        certificate.height
        for certificate in (decode(record.certificate, Certificate, 10_000) for record in records if record is not None)
        if index in signer_indices(certificate.signers)
    ]
    assert voted
    assert min(voted) > silent_to
    assert (lost / SIGN_STATE).exists()


def test_before_the_first_epoch_it_executes_every_block_and_signs_nothing_meanwhile(
    tmp_path: Path, processes: list[VerbProcess]
) -> None:
    """No state is offered then, which must not keep a validator out of its network. Its settings name two of the three
    others, all of whom must say how far it signed."""
    net, ports = network(tmp_path, 10_000), free_ports(4)
    lost = net.nodes[3].home
    processes += [VerbProcess(*start_words(net, ports, index)) for index in range(4)]
    while (height := processes[3].until("decided")["height"]) < 10:
        """Wait until it has signed."""
    processes[3].kill()
    for line in processes[3].lines:
        if '"event": "decided"' in line:
            height = max(height, json.loads(line)["height"])
    for path in lost.iterdir():
        if path.name not in KEPT:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    again = VerbProcess(*start_words(net, ports, 3, peers_max=2), "--set", "state_sync.offers_ms=1000")
    processes.append(again)
    silent_to = again.until("the key may have signed before: it signs nothing up to this height")["height"]
    while again.until("decided")["height"] < silent_to:
        """Wait until it may sign."""
    processes[2].kill()
    stood = again.until("decided")["height"]
    while again.until("decided")["height"] < stood + 10:
        """Nothing more is decided without it."""
    for process in processes:
        process.stop()
    index = net.genesis.validators.index_of[net.nodes[3].envelope_key]
    with Store(net.nodes[0].home / "node.sqlite", net.network) as store:
        records = [store.block(each) for each in range(1, store.height() + 1)]
    voted = [
        certificate.height
        for certificate in (decode(record.certificate, Certificate, 10_000) for record in records if record is not None)
        if index in signer_indices(certificate.signers)
    ]
    assert [each for each in voted if height + 2 < each <= silent_to] == []
    assert max(voted) > silent_to
