"""What a file costs in memory is bounded by its bytes: measured by the command itself, in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec

from proofs.algebra.group import GENERATOR, encode_point
from proofs.epoch.package import EpochPackage, read_package, write_package
from proofs.linear.messages import part_bytes
from tests.kit.proofs import small_market
from tests.kit.proofs.cheated_package import signed_anew

replace = msgspec.structs.replace
ROOT = Path(__file__).resolve().parents[3]
PER_BYTE = 30
"""As docs/explanation/verifying.md states it."""
ADDITIVE = 24 << 20
"""What the program needs beside, when it looks at points, statement and rulebook at all."""


def peak_of(path: Path) -> tuple[str, int]:
    """The check that refuses a file, and the most memory that the command had."""
    command = [sys.executable, "-m", "cli", "verify", str(path), "--max-age", "any", "--output", "json"]
    report = json.loads(subprocess.run(command, capture_output=True, cwd=ROOT, check=False).stdout)
    failed = [check["name"] for check in report["checks"] if not check["ok"]]
    return (failed[0] if failed else ""), report["peak_bytes"]


def of(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def crowd(package: Path, count: int) -> EpochPackage:
    """Many accounts of one good point."""
    point = encode_point(GENERATOR)
    return replace(read_package(package.read_bytes()), commitments=tuple((number, point) for number in range(count)))


def test_a_list_without_its_proof_and_a_proof_of_many_accounts_take_no_more_memory_than_is_stated(
    package: Path, tmp_path: Path
) -> None:
    _, least = peak_of(of(tmp_path / "least.ccp", package.read_bytes()[:-1]))
    bare = write_package(replace(crowd(package, 60_000), proof=b""))
    check, peak = peak_of(of(tmp_path / "bare.ccp", bare))
    assert check == "sizes"
    assert peak - least <= PER_BYTE * len(bare)

    good, points = crowd(package, 2_000), []
    point = GENERATOR
    for number in range(2_000):
        points.append((number, encode_point(point)))
        point += GENERATOR
    share = points[0][1] * 2 + bytes(32)
    tail = read_package(package.read_bytes()).proof[3 * part_bytes(1) :]
    whole = signed_anew(small_market, replace(good, commitments=tuple(points), proof=share * 2_000 + tail))
    check, peak = peak_of(of(tmp_path / "whole.ccp", whole))
    assert check == "ranges_and_rows"
    assert peak - least <= PER_BYTE * len(whole) + ADDITIVE
