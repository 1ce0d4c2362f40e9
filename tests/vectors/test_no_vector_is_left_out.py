"""Every file of others' vectors about curves is read by a test; a missing folder fails where it must."""

from collections import Counter
from pathlib import Path

import pytest

from tests.kit.outside import outside
from tests.kit.vectors.others import FILES, OPENINGS, PRECOMPILES, SIGNATURES, archived, opening_cases, precompile_cases

FOLDERS = ("bls", "eip2537", "kzg", "rfc9380")


def test_every_file_is_known(vectors_dir: Path) -> None:
    there = {path.relative_to(vectors_dir).as_posix() for name in FOLDERS for path in (vectors_dir / name).iterdir()}
    assert there == FILES


def test_every_kind_in_an_archive_is_known(vectors_dir: Path) -> None:
    assert Counter(steps[1] for steps, _ in archived(vectors_dir / "bls" / "bls12-381-tests.tgz")) == SIGNATURES
    assert len(archived(vectors_dir / "kzg" / "verify_kzg_proof.tgz")) == OPENINGS


def test_the_cases_are_as_many_as_were_counted(vectors_dir: Path) -> None:
    assert sum(len(precompile_cases(vectors_dir, name)) for name in PRECOMPILES) == 309
    assert len(opening_cases(vectors_dir)) == 122
    assert sum(SIGNATURES.values()) == 104


def test_where_everything_must_run_missing_vectors_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSCLEAR_VECTORS", "/nowhere")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="CROSSCLEAR_VECTORS"):
        outside("CROSSCLEAR_VECTORS", "../shared/vectors", "test vectors")
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="CROSSCLEAR_VECTORS"):
        outside("CROSSCLEAR_VECTORS", "../shared/vectors", "test vectors")
