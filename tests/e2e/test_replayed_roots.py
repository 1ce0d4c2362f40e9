"""The block log of every validator, executed again under any hash seed, gives the roots that its headers state."""

import json
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.kit.e2e.demo_folder import DemoFolder, blocks_of, command_line

pytestmark = [pytest.mark.network, pytest.mark.chain]


@pytest.mark.parametrize("hash_seed", ["0", "1", "2"])
def test_each_block_log_replays_to_the_roots_of_its_headers(demo_run: DemoFolder, hash_seed: str) -> None:
    def replayed(home: Path, log: Path) -> tuple[int, str]:
        last = blocks_of(log)[-1].header
        trusted = ["--trust", f"{last.height}:{last.hash.hex()}"]
        arguments = ["--genesis", str(demo_run.genesis_path), "--home", str(home), "--devnet", "--output", "json"]
        answer = command_line("replay", str(log), *arguments, *trusted, environment={"PYTHONHASHSEED": hash_seed})
        return answer.returncode, answer.stdout if answer.returncode == 0 else answer.stderr

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(replayed, demo_run.homes, demo_run.block_logs))
    assert len(answers) == 4
    for log, (code, printed) in zip(demo_run.block_logs, answers, strict=True):
        assert code == 0, printed
        result, last = json.loads(printed), blocks_of(log)[-1].header
        assert (result["height"], result["blocks"]) == (last.height, last.height)
        assert result["state_root"] == last.state_root.hex()
        assert result["header_hash"] == last.hash.hex()
        assert result["transactions"] > 0
        assert result["receipts"] > 0


def test_the_validators_recorded_the_same_blocks(demo_run: DemoFolder) -> None:
    chains = [blocks_of(log) for log in demo_run.block_logs]
    shortest = min(len(chain) for chain in chains)
    assert shortest > 0
    for blocks in zip(*(chain[:shortest] for chain in chains), strict=True):
        assert len({block.header.hash for block in blocks}) == 1
    assert demo_run.summary["heights"] == len(chains[0])


def test_a_block_log_with_one_changed_byte_is_refused(demo_run: DemoFolder, tmp_path: Path) -> None:
    data = bytearray(demo_run.block_logs[0].read_bytes())
    start = len(b"crossclear/blocks/v1\n") + 32
    for _ in range(20):
        (length,) = struct.unpack_from(">I", data, start)
        start += 8 + length
    (length,) = struct.unpack_from(">I", data, start)
    payload = slice(start + 8, start + 8 + length)
    data[start + 8 + length // 2] ^= 1
    struct.pack_into(">I", data, start + 4, zlib.crc32(data[payload]))
    forged = tmp_path / "forged.log"
    forged.write_bytes(data)
    arguments = ["--genesis", str(demo_run.genesis_path), "--home", str(demo_run.homes[0]), "--devnet"]
    answer = command_line("replay", str(forged), *arguments)
    assert answer.returncode == 6, answer.stderr
    assert answer.stdout == ""
