"""Record block logs for `tests/clearing/test_recorded_logs_replay.py`: `python -m tests.vectors.clearing.record`.

Each log is an xz file of frames (u32 length, big-endian, payload). The first frame is the genesis file and the second
is the salt of the state. In a story's log every other frame is the canonical encoding of one block. In the demo's log
the third frame is the first part of a validator's block log, as `--demo demo-out` finds it after `make demo`.
`roots.json` states what applying the blocks gave.

Rule: record again only when a rule changes on purpose. A change of the code that keeps the rules keeps every root.
`--again` keeps the blocks of the stories and records what they give now.
"""

import argparse
import json
import lzma
import struct
import sys
import tempfile
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from clearing.apply_block import apply_block
from clearing.base.codec import decode, encode
from clearing.base.hashing import sha256
from clearing.genesis.json import genesis_from_json, genesis_to_json
from clearing.initial_state import initial_state
from clearing.schema.blocks.block import BlockInput, BlockResult
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.facts import Fact
from clearing.schema.requests.trades import Trade, TradeReport
from clearing.schema.terms.genesis import Genesis, network_id
from member.keys.key_folder import KIND_OF, PASSWORD_FILE, Purpose, read_key
from member.keys.secret_files import read_password
from node.agreement.application import DecidedHeight, state_salt
from node.offline.replay import replay
from node.store.block_log import block_log_network, read_block_log, write_block_log
from tests.kit.clearing.genesis import SALT
from tests.kit.clearing.recorded_logs import BLOCK_BYTES_MAX, FOLDER, frames
from tests.sim.clearing.signatures import looked_up
from tests.sim.clearing.story import Story

ROOTS_EVERY = 20
STORIES = (1, 3, 5, 9, 12, 19)
BLOCKS = 120
KEPT: dict[type, float] = {Trade: 0.03, TradeReport: 0.06}
"""Shares of a story's requests that its log keeps: signatures don't compress."""
KEPT_OTHERS = 0.2
DEMO_BLOCKS = 80


def record_story(seed: int, blocks: int) -> tuple[Genesis, list[BlockInput], list[BlockResult]]:
    """The blocks of one story of `tests.sim.clearing`, and what each gave."""
    story = Story(seed)
    world, play, chance = story.world, story.world.play, Random(seed)
    log: list[BlockInput] = []
    results: list[BlockResult] = []

    def recording(requests: list[Transaction], facts: list[Fact]) -> BlockResult:
        requests[:] = [each for each in requests if chance.random() < KEPT.get(type(each), KEPT_OTHERS)]
        result = play(requests, facts)
        log.append(world.blocks[-1])
        results.append(result)
        return result

    world.play = recording  # type: ignore[method-assign]
    # Blocks that opened the world, before the story began.
    log += world.blocks
    results += world.results
    with looked_up():
        for _ in range(blocks):
            story.block()
    return world.genesis, log, results


def record_demo(folder: Path, blocks: int) -> tuple[Genesis, list[bytes], list[BlockResult]]:
    """The frames of the log that a demo left in `folder`, cut after so many blocks, and what each block gave."""
    home, log = folder / "nodes" / "n0", folder / "blocks-n0.log"
    genesis_file = (home / "genesis.json").read_bytes()
    genesis = genesis_from_json(genesis_file)
    purpose = Purpose.NETWORK_SEED
    salt = state_salt(
        read_key(home, purpose.value, KIND_OF[purpose], read_password(home / PASSWORD_FILE), allow_weak=True)
    )
    records = list(islice(read_block_log(log), blocks))
    results: list[BlockResult] = []

    def note(decided: DecidedHeight) -> None:
        results.append(decided.result)

    replay(genesis, salt, records, note)
    with tempfile.TemporaryDirectory() as scratch:
        part = Path(scratch) / "blocks.log"
        write_block_log(part, block_log_network(log), records)
        return genesis, [genesis_file, salt, part.read_bytes()], results


def expected(genesis: Genesis, results: Iterable[BlockResult]) -> dict[str, Any]:
    """What a replay is compared with: every root and every result by digest, and some roots in full."""
    roots, encoded, at = b"", b"", {}
    for result in results:
        roots += b"".join(result.module_roots)
        encoded += sha256(encode(result))
        if result.height % ROOTS_EVERY == 0:
            at[str(result.height)] = [root.hex() for root in result.module_roots]
    return {
        "network": network_id(genesis).hex(),
        "blocks": len(encoded) // 32,
        "module_roots_sha256": sha256(roots).hex(),
        "results_sha256": sha256(encoded).hex(),
        "module_roots": at,
    }


def record_again(folder: Path, name: str) -> None:
    """What the blocks of a recorded story give now."""
    genesis_file, salt, *blocks = frames(name, folder)
    genesis = genesis_from_json(genesis_file)
    state, results = initial_state(genesis, salt), []
    for recorded in blocks:
        fork, result = apply_block(state, decode(recorded, BlockInput, BLOCK_BYTES_MAX))
        state = fork.absorb()
        results.append(result)
    write_outcome(folder, name, expected(genesis, results))


def write_log(folder: Path, name: str, frames: Iterable[bytes], outcome: dict[str, Any]) -> None:
    """Write a log and add its outcome to `roots.json`."""
    path = folder / f"{name}.log.xz"
    data = b"".join(struct.pack(">I", len(frame)) + frame for frame in frames)
    path.write_bytes(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))
    write_outcome(folder, name, outcome)
    print(f"{name}: {outcome['blocks']} blocks, {path.stat().st_size:,} bytes")


def write_outcome(folder: Path, name: str, outcome: dict[str, Any]) -> None:
    """Add the outcome of a log to `roots.json`."""
    roots = folder / "roots.json"
    known = json.loads(roots.read_text()) if roots.exists() else {}
    known[name] = outcome
    roots.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.vectors.clearing.record", description=__doc__)
    parser.add_argument("--stories", type=int, nargs="*", default=STORIES, help="seeds of tests.sim.clearing")
    parser.add_argument("--blocks", type=int, default=BLOCKS, help="blocks a story")
    parser.add_argument("--demo", type=Path, help="the output folder of a demo")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the logs are written")
    parser.add_argument("--again", action="store_true", help="keep the blocks of the stories")
    options = parser.parse_args()
    for seed in options.stories if options.again else ():
        record_again(options.folder, f"story-{seed}")
    for seed in () if options.again else options.stories:
        genesis, blocks, results = record_story(seed, options.blocks)
        frames = [genesis_to_json(genesis), SALT, *(encode(block) for block in blocks)]
        write_log(options.folder, f"story-{seed}", frames, expected(genesis, results))
    if options.demo is not None:
        genesis, frames, results = record_demo(options.demo, DEMO_BLOCKS)
        write_log(options.folder, "demo", frames, expected(genesis, results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
