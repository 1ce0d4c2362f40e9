"""A machine may die at any operation of its disk: what was sent is never signed otherwise, what was not stays free."""

from random import Random

import pytest

from clearing.base.certificate import VoteKind
from clearing.base.errors import LocalFault
from consensus.messages import Vote
from consensus.signing import seal
from consensus.wal import Record, RecordKind
from node.signer.sign_state import SignStateFile
from node.store.wal import WalFile
from tests.kit.consensus.crypto import FakeSigner, validator_set
from tests.kit.consensus.replicas import NETWORK
from tests.sim.consensus.disk import MachineDied, SimDisk, simulated_disks

VALIDATORS = validator_set(4)
HEIGHT = 7
ONE, OTHER = b"\x01" * 32, b"\x02" * 32


def start(disk: SimDisk) -> tuple[WalFile, FakeSigner]:
    log = WalFile(disk.path("wal"))
    signer = FakeSigner(NETWORK, VALIDATORS.validators[0], SignStateFile(disk.path("sign"), sync=False))
    signer.stand_beside(log, HEIGHT - 1)
    return log, signer


def vote(log: WalFile, signer: FakeSigner, round_: int, value: bytes) -> None:
    """As a replica and its driver do: sign, log, then send."""
    share = signer.sign_vote(VALIDATORS.hash, VoteKind.PREVOTE, HEIGHT, round_, value)
    said = Vote(kind=VoteKind.PREVOTE, height=HEIGHT, round=round_, value=value, validator=0, share=share)
    log.append((Record(height=HEIGHT, kind=RecordKind.OWN, data=seal(signer, said)),))


@pytest.mark.parametrize("power", [False, True])
@pytest.mark.parametrize("rotate_bytes", [1, 1 << 20])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("operations", range(10))
def test_a_step_is_free_after_a_death_exactly_when_the_log_does_not_hold_it(
    operations: int, seed: int, rotate_bytes: int, power: bool
) -> None:
    disk = SimDisk(Random(f"{operations}/{seed}"))
    with simulated_disks(rotate_bytes):
        log, signer = start(disk)
        log.append((Record(height=HEIGHT - 1, kind=RecordKind.RECEIVED, data=b"of the height below"),))
        log.height_stored(HEIGHT - 1)  # starts over when it may be a byte long
        vote(log, signer, 0, ONE)
        disk.fuse = operations
        sent = 0
        try:
            for round_ in (1, 2, 3):
                vote(log, signer, round_, ONE)
                sent = round_
        except MachineDied:
            if power:
                disk.lose_power()
        disk.fuse = None
        log, signer = start(disk)
        logged = [record for record in log.records if record.kind is RecordKind.OWN]
        held = len(logged)  # of rounds 0 to `held` - 1
        assert held >= sent + 1
        for round_ in range(4):
            if round_ < held:
                with pytest.raises(LocalFault):
                    vote(log, signer, round_, OTHER)
            else:
                vote(log, signer, round_, OTHER)


@pytest.mark.parametrize("seed", range(20))
def test_a_log_that_lost_a_frame_that_was_sent_lets_nothing_be_signed_at_its_height(seed: int) -> None:
    disk = SimDisk(Random(seed))
    with simulated_disks():
        log, signer = start(disk)
        for round_ in range(3):
            vote(log, signer, round_, ONE)
        data = disk.files["wal"].data
        frame = len(data) // 3
        data[2 * frame + disk.random.randrange(frame)] ^= 1 << disk.random.randrange(8)
        log, signer = start(disk)
        assert log.frames == 2
        disk.lose_power()  # what was closed stays closed
        log, signer = start(disk)
        with pytest.raises(LocalFault):
            vote(log, signer, 9, OTHER)


@pytest.mark.parametrize("seed", range(40))
def test_a_disk_without_power_keeps_what_was_synced(seed: int) -> None:
    disk = SimDisk(Random(seed))
    with simulated_disks():
        log, signer = start(disk)
        vote(log, signer, 0, ONE)
        vote(log, signer, 1, ONE)
        before = bytes(disk.files["wal"].data)
        disk.lose_power()
        assert bytes(disk.files["wal"].data) == before
        log, signer = start(disk)
        assert log.frames == 2


def test_a_disk_that_drops_syncs_loses_what_was_sent() -> None:
    lost = 0
    for seed in range(20):
        disk = SimDisk(Random(seed), drops_syncs_of=("wal",))
        with simulated_disks():
            log, signer = start(disk)
            vote(log, signer, 0, ONE)
            disk.lose_power()
            log, _ = start(disk)
            lost += log.frames == 0
    assert lost > 5
