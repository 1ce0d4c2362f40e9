"""The same computation in other interpreters, whose sets and dictionaries are ordered by other hashes."""

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from clearing.base.codec import encode
from clearing.base.hashing import sha256
from clearing.schema.blocks.block import BlockResult
from tests.kit.complete import COMPLETE

ROOT = Path(__file__).resolve().parents[2]
SEEDS = ("0", "1", "4711") if COMPLETE else ("0", "4711")
"""Without and with random hashes; the process of the test has others again."""


def digest_of(results: Iterable[BlockResult]) -> str:
    """Of all that blocks gave: receipts, transfers and roots."""
    return sha256(b"".join(encode(result) for result in results)).hex()


def printed(module: str, results: str) -> set[str]:
    """What interpreters with different seeds make of `digest_of(m.…)`, where `m` is a module."""
    program = f"import {module} as m; from tests.kit.hash_seeds import digest_of; print(digest_of(m.{results}))"
    found = set()
    for seed in SEEDS:
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
        )
        found.add(done.stdout.strip())
    return found
