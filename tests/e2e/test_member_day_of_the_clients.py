"""A member's whole day through each client, at a running devnet: sign in, pay in, trade, read the margin, answer a
call, withdraw to another chain, verify."""

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from clearing.base.codec import u256
from devnet.chains import MINT
from devnet.demo.story import USDC, DevnetDeposit, DevnetStory
from devnet.members import DevnetMember
from devnet.network import Devnet, running_devnet
from devnet.options import DevnetOptions
from devnet.toolchain import CLIENT, install_client, node_path
from devnet.try_it import trade_key_path
from tests.kit.e2e.live import deposit

pytestmark = [pytest.mark.network, pytest.mark.chain]
ROOT = Path(__file__).resolve().parents[2]
CAPITAL = 1_000_000 * USDC
PAID_IN, TAKEN_OUT, LOTS = 18_500, 100, 4_200
"""Dollars, and thousandths of a bitcoin: enough for a price that stands, and too little for the recorded crash."""
SPEED = 1_440.0
"""Of the recorded hours: half of a devnet's, so that a slow machine has time to answer."""
Lines = list[dict[str, Any]]


async def test_a_member_s_whole_day_through_the_python_client(anvil_binary: Path, tmp_path: Path) -> None:
    def words(devnet: Devnet, own: DevnetMember, other: DevnetMember) -> list[str]:
        folder = devnet.options.output_dir
        keys = {"key": trade_key_path(folder, own), "other-key": trade_key_path(folder, other)}
        keys["wallet-key"] = tmp_path / "wallet"
        keys["wallet-key"].write_text(own.secret.hex())
        options = {
            "account": own.id,
            "other": other.id,
            **{f"{name}-file": path for name, path in keys.items()},
            "rpc": devnet.chains[0].anvil.url,
            "pay-in": f"{asset(devnet, 0)}:{PAID_IN}",
            "take-out": f"{asset(devnet, 1)}:{TAKEN_OUT}",
            "genesis": devnet.testnet.genesis_path,
            "lots": LOTS,
            "verifier": f"{sys.executable} -m cli verify",
            "backend": "trio",
        }
        named = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        return [sys.executable, str(ROOT / "client" / "examples" / "member_day.py"), url(devnet), *named]

    await whole_day(tmp_path, words)


async def test_a_member_s_whole_day_through_the_typescript_client(anvil_binary: Path, tmp_path: Path) -> None:
    install_client()

    def words(devnet: Devnet, own: DevnetMember, other: DevnetMember) -> list[str]:
        folder = devnet.options.output_dir
        members = (own.id, trade_key_path(folder, own), other.id, trade_key_path(folder, other))
        assets = f"{asset(devnet, 0)}:{PAID_IN}", f"{asset(devnet, 1)}:{TAKEN_OUT}"
        chain = devnet.chains[0].anvil.url, "0x" + own.address.hex()
        given = (url(devnet), *members, *chain, *assets, devnet.testnet.genesis_path, LOTS)
        return [str(node_path()), str(CLIENT / "example" / "member_day.mjs"), *map(str, given)]

    await whole_day(tmp_path, words)


async def whole_day(tmp_path: Path, words: Callable[[Devnet, DevnetMember, DevnetMember], list[str]]) -> None:
    options = DevnetOptions(output_dir=tmp_path / "devnet", members=4, speed=SPEED)
    async with running_devnet(options) as devnet:
        house, other, *_, own = devnet.members
        both = (DevnetDeposit(each, chain, "USDC", CAPITAL) for each in (house, other) for chain in (0, 1))
        await deposit(devnet, tuple(both))
        await fill(devnet, own)
        story = DevnetStory(devnet, lambda _: None)

        def said(line: dict[str, Any]) -> None:
            """The crash begins once the member has nothing else to do."""
            if line["event"] == "waiting for a call":
                trio.from_thread.run_sync(story.start_replay)

        lines = await trio.to_thread.run_sync(partial(play, words(devnet, own, other), said))
        check(lines)
        wallet, token = devnet.wallet(1, own), devnet.chains[1].deployed.tokens["USDC"]
        assert await wallet.token_balance(token) == TAKEN_OUT * USDC


def play(words: list[str], said: Callable[[dict[str, Any]], None]) -> Lines:
    """Run a day to its end; the lines that it printed, each handed over as it comes."""
    lines: Lines = []
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            lines.append(json.loads(line))
            said(lines[-1])
        errors = process.stderr.read()
    assert process.returncode == 0, (lines, errors[-3000:])
    return lines


def check(lines: Lines) -> None:
    events = [line["event"] for line in lines]
    assert events == [
        *("signed in", "credited", "traded", "margin", "waiting for a call", "called", "traded", "call over"),
        *("withdrawal", "paid", "verified"),
    ]
    of = dict(zip(events, lines, strict=True))
    assert of["signed in"]["equity"] == "0"
    margin = of["margin"]
    assert int(margin["equity"]) > int(margin["initial"]) > 0
    assert {name for name, _, _ in margin["terms"]} >= {"cash", "lot_charge"}
    assert of["called"]["kind"] == "early"
    assert of["call over"]["in_liquidation"] is False
    assert int(of["call over"]["equity"]) > 0
    assert of["verified"]["ok"] is True


async def fill(devnet: Devnet, member: DevnetMember) -> None:
    """Tokens for the wallet, which the chain unlocks for programs that ask it to send."""
    chain = devnet.chains[0]
    token, wallet = chain.deployed.tokens["USDC"], devnet.wallet(0, member)
    await wallet.execute(token, MINT + member.address.rjust(32, b"\0") + u256(PAID_IN * USDC), "mint")
    await devnet.endpoints[0].call("anvil_impersonateAccount", "0x" + member.address.hex())


def asset(devnet: Devnet, chain: int) -> str:
    return f"USDC@{devnet.chains[chain].deployed.name}"


def url(devnet: Devnet) -> str:
    return devnet.url(next(iter(devnet.nodes)))
