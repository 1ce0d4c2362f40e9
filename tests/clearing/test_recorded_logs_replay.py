"""Recorded block logs replay to the roots and results that were recorded with them.

The logs stand in `tests/vectors/clearing`; `record.py` there states their layout and how they were made.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from clearing.apply_block import apply_block
from clearing.base.codec import decode, encode
from clearing.base.hashing import sha256
from clearing.genesis.json import genesis_from_json, genesis_to_json
from clearing.initial_state import initial_state
from clearing.schema.blocks.block import BlockInput, BlockResult
from clearing.schema.terms.genesis import network_id
from node.agreement.application import DecidedHeight
from node.offline.replay import replay
from node.store.block_log import block_log_network, read_block_log
from tests.kit.clearing.recorded_logs import BLOCK_BYTES_MAX, FOLDER, frames

EXPECTED: dict[str, dict[str, Any]] = json.loads((FOLDER / "roots.json").read_text())
STORIES = sorted(EXPECTED.keys() - {"demo"})


def compare(name: str, results: Iterable[BlockResult]) -> None:
    """Roots in full come first, so that a difference shows its module and roughly its height."""
    expected, roots, encoded = EXPECTED[name], b"", b""
    for result in results:
        recorded = expected["module_roots"].get(str(result.height))
        if recorded is not None:
            assert [root.hex() for root in result.module_roots] == recorded, f"{name}, height {result.height}"
        roots += b"".join(result.module_roots)
        encoded += sha256(encode(result))
    assert len(encoded) // 32 == expected["blocks"]
    assert sha256(roots).hex() == expected["module_roots_sha256"]
    assert sha256(encoded).hex() == expected["results_sha256"]


def test_every_recorded_log_is_replayed() -> None:
    assert {path.name.removesuffix(".log.xz") for path in FOLDER.glob("*.xz")} == set(EXPECTED)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_recorded_genesis_file_keeps_its_bytes_and_its_network(name: str) -> None:
    recorded = frames(name)[0]
    genesis = genesis_from_json(recorded)
    assert genesis_to_json(genesis) == recorded
    assert network_id(genesis).hex() == EXPECTED[name]["network"]


@pytest.mark.parametrize("name", STORIES)
def test_a_recorded_story_replays_to_the_same_roots(name: str) -> None:
    genesis, salt, *blocks = frames(name)
    state, results = initial_state(genesis_from_json(genesis), salt), []
    for recorded in blocks:
        block = decode(recorded, BlockInput, BLOCK_BYTES_MAX)
        assert encode(block) == recorded
        fork, result = apply_block(state, block)
        assert fork.module_roots() == result.module_roots
        state = fork.absorb()
        results.append(result)
    compare(name, results)


def test_the_recorded_block_log_of_a_validator_replays_to_the_same_roots(tmp_path: Path) -> None:
    genesis_file, salt, log = frames("demo")
    genesis, path = genesis_from_json(genesis_file), tmp_path / "blocks.log"
    path.write_bytes(log)
    assert block_log_network(path) == network_id(genesis)
    results: list[BlockResult] = []

    def note(decided: DecidedHeight) -> None:
        results.append(decided.result)

    replay(genesis, salt, read_block_log(path), note)
    compare("demo", results)
