"""Rules of replay: a recorded log gives its roots again, and a changed one does not."""

import json
from pathlib import Path

import msgspec
import pytest

from clearing.base.errors import LocalFault, RemoteFault
from clearing.genesis.json import genesis_to_json
from cli.main import run
from consensus.codes import ConsensusCode
from member.codes import NodeCode
from member.keys.key_folder import KeyKind, new_password, new_secret, write_key
from member.keys.keystore import Strength
from node.offline.replay import replay
from node.store.block_log import write_block_log
from tests.kit.node.recorded import HEIGHTS, Recorded


def test_a_recorded_log_gives_its_roots_again(recorded: Recorded) -> None:
    seen: list[int] = []
    result = replay(recorded.genesis, recorded.salt, recorded.records, lambda each: seen.append(each.header.height))
    assert seen == [1, 2, 3, 4, 5]
    assert (result.height, result.blocks, result.transactions) == (HEIGHTS, HEIGHTS, HEIGHTS)
    assert result.receipts >= HEIGHTS
    assert result.state_root == recorded.state_root


def test_another_salt_gives_other_roots(recorded: Recorded) -> None:
    with pytest.raises(RemoteFault) as refusal:
        replay(recorded.genesis, bytes(32), recorded.records)
    assert refusal.value.code is ConsensusCode.WRONG_ROOTS


def test_a_log_that_begins_late_or_leaves_out_a_height_is_refused(recorded: Recorded) -> None:
    for records in (recorded.records[1:], recorded.records[:2] + recorded.records[3:]):
        with pytest.raises(LocalFault) as refusal:
            replay(recorded.genesis, recorded.salt, records)
        assert refusal.value.code is NodeCode.STORE_GAP


def test_a_certificate_of_another_height_is_refused(recorded: Recorded) -> None:
    records = list(recorded.records)
    records[-1] = msgspec.structs.replace(records[-1], certificate=records[-2].certificate)
    with pytest.raises(RemoteFault):
        replay(recorded.genesis, recorded.salt, records)


@pytest.mark.parametrize("field", ["block", "certificate", "extended_commit"])
def test_a_flipped_bit_in_any_part_of_a_block_is_refused(recorded: Recorded, field: str) -> None:
    data = getattr(recorded.records[2], field)
    for at in range(0, len(data), 29):
        forged = bytearray(data)
        forged[at] ^= 1
        records = list(recorded.records)
        records[2] = msgspec.structs.replace(records[2], **{field: bytes(forged)})
        with pytest.raises(RemoteFault):
            replay(recorded.genesis, recorded.salt, records)


def test_the_command_replays_a_file(recorded: Recorded, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, genesis = tmp_path / "blocks.log", tmp_path / "genesis.json"
    write_block_log(log, recorded.network, recorded.records)
    genesis.write_bytes(genesis_to_json(recorded.genesis))
    command = ["replay", str(log), "--genesis", str(genesis), "--home", str(recorded.home), "--output", "json"]
    assert run([*command, "--devnet"]) == 0
    assert json.loads(capsys.readouterr().out)["state_root"] == recorded.state_root.hex()
    assert run(command) == 7
    foreign = tmp_path / "foreign.log"
    write_block_log(foreign, b"m" * 32, recorded.records)
    assert run(["replay", str(foreign), *command[2:], "--devnet"]) == 6
    log.write_bytes(log.read_bytes()[:-3])
    assert run([*command, "--devnet"]) == 6
    capsys.readouterr()
    assert run([*command, "--devnet", "--cut-torn-tail"]) == 0
    assert json.loads(capsys.readouterr().out)["height"] == HEIGHTS - 1


def test_another_network_seed_is_refused(recorded: Recorded, tmp_path: Path) -> None:
    log, genesis, home = tmp_path / "blocks.log", tmp_path / "genesis.json", tmp_path / "home"
    write_block_log(log, recorded.network, recorded.records)
    genesis.write_bytes(genesis_to_json(recorded.genesis))
    write_key(home, "network-seed", KeyKind.SEED, new_secret(KeyKind.SEED), new_password(home), Strength.DEVNET)
    assert run(["replay", str(log), "--genesis", str(genesis), "--home", str(home), "--devnet"]) == 6
