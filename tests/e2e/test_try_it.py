"""What a devnet prints and notes for a person: the page is there, the key opens the account, each command works."""

import io
import os
import re
import subprocess
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest
import trio
from rich.console import Console

from devnet.demo.main import introduce
from devnet.demo.story import DevnetStory
from devnet.network import Devnet, running_devnet
from devnet.options import DevnetOptions
from devnet.try_it import MEMBERS_FOLDER, NOTE, TOKEN, TRADE_KEY
from member.client.node_client import NodeClient
from tests.kit.until import PATIENCE_SECONDS

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


@dataclass(frozen=True)
class Introduction:
    """What the first lines of a devnet tell a person."""

    url: str
    name: str
    account: int
    key: bytes


def introduced(devnet: Devnet) -> Introduction:
    """Read as a person does: from a terminal that is narrower than the lines."""
    printed = io.StringIO()
    introduce(devnet, Console(file=printed, width=40))
    text = printed.getvalue()
    (url,) = re.findall(r"^  (http\S+)/  the page in a browser$", text, re.MULTILINE)
    ((name, account, key),) = re.findall(r"^  sign in there as (\S+): account (\d+), key in (.+)$", text, re.MULTILINE)
    assert f"  {devnet.options.output_dir / NOTE}  commands for a member" in text
    return Introduction(url, name, int(account), bytes.fromhex(Path(key).read_text()))


async def check_introduction(devnet: Devnet) -> None:
    """The page is where the lines say, and the key that they name opens the account that they name."""
    shown = introduced(devnet)
    page = await trio.to_thread.run_sync(partial(httpx.get, f"{shown.url}/", timeout=PATIENCE_SECONDS))
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    async with NodeClient(shown.url, devnet.network, shown.key) as client:
        assert (await client.account(shown.account)).account == shown.account
    assert [member.name for member in devnet.members if member.id == shown.account] == [shown.name]


async def test_a_person_can_act_as_a_member_by_the_note(anvil_binary: Path, tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "net", tmp_path / "elsewhere"
    elsewhere.mkdir()
    async with running_devnet(DevnetOptions(folder, members=8)) as devnet:
        await check_introduction(devnet)
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
