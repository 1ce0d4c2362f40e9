"""The block log of every validator, executed again under any hash seed, gives the roots that its headers state."""

import json
import struct
import subprocess
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.kit.e2e.demo_folder import DemoFolder, blocks_of, command_line

pytestmark = [pytest.mark.network, pytest.mark.chain]


def test_each_block_log_replays_to_the_roots_of_its_headers_under_its_own_hash_seed(demo_run: DemoFolder) -> None:
    """The logs hold the same blocks, as the next rule says: so these are four seeds for one chain."""

    def replayed(home: Path, log: Path, hash_seed: int) -> subprocess.CompletedProcess[str]:
        last = blocks_of(log)[-1].header
        trusted = ["--trust", f"{last.height}:{last.hash.hex()}"]
        arguments = ["--genesis", str(demo_run.genesis_path), "--home", str(home), "--devnet", "--output", "json"]
        return command_line("replay", str(log), *arguments, *trusted, environment={"PYTHONHASHSEED": str(hash_seed)})

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(replayed, demo_run.homes, demo_run.block_logs, range(4)))
    assert len(answers) == 4
    for log, answer in zip(demo_run.block_logs, answers, strict=True):
        assert answer.returncode == 0, answer.stdout + answer.stderr
        result, last = json.loads(answer.stdout), blocks_of(log)[-1].header
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
