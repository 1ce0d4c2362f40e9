"""The benchmark of many accounts measures proofs that verify, and made-up ones that are refused at the very end."""

from pathlib import Path

import msgspec
import pytest

from benchmarks.proof_scale import measured, measured_package, verifying_command
from benchmarks.proof_scale_verifier import layout_of_columns, made_up, verify_linear
from proofs.errors import VerificationFailed
from tests.kit.proofs.counted import VECTORS


def test_a_layout_of_so_many_columns_fills_them() -> None:
    assert [layout_of_columns(columns).columns for columns in (1, 2, 3)] == [1, 2, 3]


def test_a_made_up_proof_is_no_good_one() -> None:
    found = made_up(3, 2)
    assert verify_linear(found)["cpu"] > 0
    with pytest.raises(VerificationFailed):
        verify_linear(msgspec.structs.replace(found, good=True))


def test_proving_size_memory_and_every_step_of_verifying_are_measured() -> None:
    found = {figure.name.partition(": ")[2]: figure for figure in measured(2, 1, "local", 1)}
    assert found["size with commitments"].value * 1e6 == 2 * 176 + 320
    assert found["prove, CPU"].value > 0
    assert found["memory of the prover"].value > 10
    steps = [name for name in found if name.startswith("verify, ") and name not in ("verify, CPU", "verify, wall")]
    assert len(steps) == 7


@pytest.mark.parametrize("small", [True, False])
def test_a_package_is_verified_by_the_command_itself_and_every_check_passes(small: bool) -> None:
    found = {figure.name.partition(": ")[2]: figure.value for figure in measured_package(4, "local", 1, small=small)}
    assert found["crossclear verify, CPU"] > 0
    assert found["crossclear verify, memory"] > 10
    checks = [name.removeprefix("check ") for name in found if name.startswith("check ")]
    assert {"certificate", "ranges_and_rows", "matched_book", "reserves", "rules", "freshness"} <= set(checks)
    assert {name for name in checks if name.endswith(", open")} <= {"custody, open", "cover, open"}


def test_the_time_of_a_refused_package_is_not_measured(tmp_path: Path) -> None:
    file = tmp_path / "epoch.ccp"
    good = (VECTORS / "three-accounts.ccp").read_bytes()
    file.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(RuntimeError, match="refused"):
        list(verifying_command("a package", str(file), 1))
