"""Every byte of the demonstration's package matters: a flipped bit is refused, and the failing check is named.

The ordinary run flips the bytes at both ends and every seventh between; CROSSCLEAR_COMPLETE=1 flips each.
"""

import json
import multiprocessing
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from member.verifying.package import anchor_of_genesis
from proofs.verify.package_verifier import verify_package
from tests.kit.complete import COMPLETE
from tests.kit.e2e.bit_flips import CHECKS, OF_THE_COMMAND, failing_checks, flipped, is_malformed
from tests.kit.e2e.demo_folder import DemoFolder, command_line

END_BYTES = 512
STEP = 7
pytestmark = [pytest.mark.network, pytest.mark.chain]


def check(demo_run: DemoFolder, places: list[int]) -> Counter[str]:
    data, anchor = demo_run.package.read_bytes(), anchor_of_genesis(demo_run.genesis_path.read_bytes())
    assert anchor.network is not None
    assert anchor.validators_hash is not None
    assert verify_package(data, network=anchor.network, validators_hash=anchor.validators_hash).ok
    shares = [places[start::64] for start in range(64)]
    work = partial(failing_checks, data, anchor.network, anchor.validators_hash)
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        answers = list(pool.map(work, shares))
    named = {
        at: name for share, names in zip(shares, answers, strict=True) for at, name in zip(share, names, strict=True)
    }
    believed = [at for at, name in named.items() if name not in CHECKS]
    assert believed == []
    for at, name in named.items():
        if is_malformed(flipped(data, at)):
            assert name == "encoding", f"byte {at}"
    assert len(named) == len(places)
    return Counter(named.values())


def test_a_flipped_bit_in_any_byte_is_refused_by_name(demo_run: DemoFolder) -> None:
    size = demo_run.package.stat().st_size
    ends = {*range(END_BYTES), *range(size - END_BYTES, size)}
    names = check(demo_run, list(range(size)) if COMPLETE else sorted({*ends, *range(0, size, STEP)}))
    assert {"encoding", "certificate", "roots", "ranges_and_rows", "matched_book"} <= set(names)


def test_the_command_exits_6_and_names_the_check_for_a_flipped_bit(demo_run: DemoFolder, tmp_path: Path) -> None:
    data, path = demo_run.package.read_bytes(), tmp_path / "forged.ccp"
    for at in (0, 5, 200, len(data) // 3, len(data) // 2, len(data) - 1):
        path.write_bytes(flipped(data, at))
        answer = command_line("verify", str(path), "--genesis", str(demo_run.genesis_path), "--output", "json")
        assert answer.returncode == 6, at
        report = json.loads(answer.stdout)
        assert report["ok"] is False
        assert [each["name"] for each in report["checks"]] == list(OF_THE_COMMAND[: len(report["checks"])])
        assert [each["ok"] for each in report["checks"]] == [True] * (len(report["checks"]) - 1) + [False]
        if is_malformed(path.read_bytes()):
            assert report["checks"][-1]["name"] == "encoding"


@pytest.mark.parametrize("kept", [0, 1, 300, -1])
def test_a_cut_package_fails_as_encoding(demo_run: DemoFolder, tmp_path: Path, kept: int) -> None:
    path = tmp_path / "cut.ccp"
    path.write_bytes(demo_run.package.read_bytes()[:kept])
    answer = command_line("verify", str(path), "--genesis", str(demo_run.genesis_path), "--output", "json")
    assert answer.returncode == 6
    assert [each["name"] for each in json.loads(answer.stdout)["checks"]] == ["encoding"]
