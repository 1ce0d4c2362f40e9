"""The note of a devnet, done line by line: every command works as it is written."""

import os
import re
import subprocess
from functools import partial
from pathlib import Path

import pytest
import trio

from devnet.demo.story import DevnetStory
from devnet.network import running_devnet
from devnet.options import DevnetOptions
from devnet.try_it import MEMBERS_FOLDER, NOTE, TOKEN, TRADE_KEY

pytestmark = [pytest.mark.network, pytest.mark.chain]


def commands_of(note: str) -> list[str]:
    """Every line of every `sh` block."""
    return [
        line
        for block in re.findall(r"^```sh\n(.*?)^```$", note, re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
    ]


def outcome(setting: str, command: str, folder: Path) -> tuple[int, str, str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CROSSCLEAR")}
    ended = subprocess.run(
        ["bash", "-c", f"{setting}\n{command}"], cwd=folder, env=environment, capture_output=True, text=True
    )
    return ended.returncode, ended.stdout, ended.stderr


async def test_a_person_can_act_as_a_member_by_the_note(anvil_binary: Path, tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "net", tmp_path / "elsewhere"
    elsewhere.mkdir()
    async with running_devnet(DevnetOptions(folder, members=8)) as devnet:
        await DevnetStory(devnet, lambda _: None).fund()
        setting, *commands = commands_of((folder / NOTE).read_text())
        assert setting.startswith("export PATH=")
        assert len(commands) > 8
        for command in commands:
            code, out, error = await trio.to_thread.run_sync(partial(outcome, setting, command, elsewhere))
            assert code == 0, (command, out, error)
            assert out or error, command
        assert any("deposits make" in command for command in commands)
        assert ((folder / TOKEN).stat().st_mode & 0o777, (folder / TOKEN).parent.stat().st_mode & 0o777) == (
            0o600,
            0o700,
        )
        for member in devnet.members:
            key = folder / MEMBERS_FOLDER / member.name / TRADE_KEY
            assert (key.stat().st_mode & 0o777, key.parent.stat().st_mode & 0o777) == (0o600, 0o700)
