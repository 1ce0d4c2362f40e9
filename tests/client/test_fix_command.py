"""`crossclear-fix`: exit codes, and what is said without the codec."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from crossclear_fix import errors

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "configs" / "fix" / "gateway.toml"


def run(program: str, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "client")},
    )


MAIN = "from crossclear_fix.command import main; main()"


def test_check_reads_the_settings_and_the_files_that_they_name(tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text(EXAMPLE.read_text())
    ended = run(MAIN, "--config", tmp_path / "gateway.toml", "--check")
    assert (ended.returncode, errors.SETTINGS in ended.stderr, "venue-password" in ended.stderr) == (3, True, True)
    for name, text in (("venue-key", "07" * 32), ("venue-password", "secret")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    ended = run(MAIN, "--config", tmp_path / "gateway.toml", "--check")
    assert (ended.returncode, ended.stdout) == (0, "ok\n"), ended.stderr
    assert not (tmp_path / "fix-gateway.db").exists()


@pytest.mark.parametrize("text", [None, "[gateway", "x = 1"])
def test_settings_that_are_wrong_end_with_their_code(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "gateway.toml").write_text(text)
    ended = run(MAIN, "--config", tmp_path / "gateway.toml")
    assert (ended.returncode, errors.SETTINGS in ended.stderr) == (3, True)


def test_without_the_codec_it_says_what_to_install(tmp_path: Path) -> None:
    ended = run(f"import sys; sys.modules['simplefix'] = None; {MAIN}", "--config", EXAMPLE)
    assert (ended.returncode, errors.EXTRA_MISSING in ended.stderr) == (1, True)
    assert "crossclear-client[fix]" in ended.stderr
