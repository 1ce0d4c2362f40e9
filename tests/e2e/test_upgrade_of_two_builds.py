"""Two wheels of this project, four processes, a vote: all stop at the height, the next release goes on, none forks.

The commands are those of docs/how-to/upgrade.md.
"""

import re
import shlex
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trio

from clearing.base.errors import LocalFault
from clearing.governance.upgrades import UPGRADE_NOTICE_BLOCKS
from cli.output import ExitCode
from devnet.demo.story import USDC, DevnetDeposit, until
from devnet.network import Devnet, running_devnet, wait_ready
from devnet.options import DevnetOptions
from devnet.processes import NodeProcess
from tests.kit.e2e.builds import build_wheel, copied_sources, install, next_release
from tests.kit.e2e.live import PATIENCE_SECONDS, TradeFlow, deposit, height_of, reach, roots_equal, send_signal

pytestmark = [pytest.mark.network, pytest.mark.chain]
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "upgrade.md").read_text(encoding="utf-8")
HEARTBEAT_MS = 150
ALONE = ("env", "-u", "PYTHONPATH", f"CROSSCLEAR_CONSENSUS__HEARTBEAT_MS={HEARTBEAT_MS}")
"""What a build is started by: without the checkout that runs the tests."""


@dataclass(frozen=True)
class Build:
    """An installed release."""

    program: Path

    @property
    def launcher(self) -> tuple[str, ...]:
        return (*ALONE, str(self.program))

    async def run(self, *words: str) -> "subprocess.CompletedProcess[bytes]":
        return await trio.run_process([*self.launcher, *words], check=False, capture_stdout=True, capture_stderr=True)

    async def say(self, beginning: str, **places: str) -> "subprocess.CompletedProcess[bytes]":
        """Run the command of the page that begins so, with these values in its places; weak keys, no questions."""
        return await self.run(*words_of(beginning, places))


def words_of(beginning: str, places: dict[str, str]) -> list[str]:
    """The words of the page's command after the program's name."""
    lines = [line for line in PAGE.splitlines() if line.startswith(f"crossclear {beginning}")]
    assert lines, f"the page has no command {beginning}"
    line = lines[0]
    for place, value in places.items():
        line = re.sub(rf"\b{place}\b", value, line)
    words = shlex.split(line)[1:]
    asks = {"propose": ["--devnet"], "vote": ["--devnet", "--yes"]}
    return [*words, *asks.get(words[1], [])]


@dataclass
class Upgrading:
    """A devnet of the first build."""

    devnet: Devnet
    old: Build
    new: Build
    attempts: list[int] = field(default_factory=list)
    """Heights that were proposed."""

    def home(self, name: str) -> str:
        return str(self.devnet.nodes[name].home)

    async def scheduled_height(self) -> int:
        return (await self.devnet.clients["n0"].governance()).protocol.next_height

    async def schedule(self) -> int:
        """Vote until an upgrade is scheduled: a slow machine's vote may come too late for its height."""
        ahead = 3 * UPGRADE_NOTICE_BLOCKS
        while True:
            height = await height_of(self.devnet.clients["n0"]) + ahead
            self.attempts.append(height)
            await self.vote(height)

            async def settled() -> bool | None:
                view = await self.devnet.clients["n0"].governance()
                return True if view.protocol.next_height or not view.proposals else None

            await until("the vote to take effect", PATIENCE_SECONDS, settled)
            if await self.scheduled_height() == height:
                return height
            ahead *= 2

    async def vote(self, height: int) -> None:
        at = {"URL": self.devnet.url("n0"), "HEIGHT": str(height)}
        proposed = await self.old.say("governance propose --upgrade 2=HEIGHT", HOME=self.home("n0"), **at)
        assert proposed.returncode == 0, proposed.stderr.decode()
        number = str(len(self.attempts))
        for name in ("n0", "n1", "n2"):
            places = {"HOME": self.home(name), "URL": self.devnet.url(name), "NUMBER": number}

            async def voted(places: dict[str, str] = places) -> bool | None:
                said = await self.old.say("governance vote NUMBER", **places)
                return True if said.returncode == 0 else None

            await until(f"the vote of {name}", PATIENCE_SECONDS, voted)

    async def stopped(self, name: str, height: int) -> None:
        """Until a node says that it has stopped before a height, and for want of what."""
        client, needs = self.devnet.clients[name], f"from height {height} on protocol 2 is needed, this release has 1"

        async def look() -> bool | None:
            try:
                checks = {check.name: check for check in (await client.readiness()).checks}
            except LocalFault:
                return None
            return True if not checks["upgrade"].ok and needs in checks["upgrade"].detail else None

        await until(f"{name} to stop", PATIENCE_SECONDS, look)
        assert await height_of(client) == height - 1

    async def replace(self, name: str, release: Build | None = None) -> None:
        """Stop a node, install another release, by default the next one, start it."""
        node, release = self.devnet.nodes[name], release or self.new
        await node.stop()
        checked = await release.say("config validate", HOME=str(node.home))
        assert checked.returncode == 0, checked.stderr.decode()
        logs = self.devnet.options.output_dir.resolve() / "logs"
        self.devnet.nodes[name] = NodeProcess(name, node.home, logs / f"{name}.log", release.launcher)
        await self.devnet.nodes[name].start()

    async def fees(self, account: int) -> list[int]:
        """What each trade of the account cost, in order."""
        client = self.devnet.client_of(self.devnet.members[1])
        async with client:
            page = await client.receipts(account)
        novated = [receipt.details for receipt in page.receipts if receipt.kind == "TradeNovated"]
        return [int(details["fee_each"]) for details in novated]

    async def trade_once(self, flow: TradeFlow) -> int:
        """One more trade in a block, through the nodes that run; its fee."""
        account = self.devnet.members[1].id
        before = len(await self.fees(account))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(flow.run)
            await flow.accepted_more(1)

            async def novated() -> bool | None:
                return True if len(await self.fees(account)) > before else None

            await until("a trade", PATIENCE_SECONDS, novated)
            nursery.cancel_scope.cancel()
        return (await self.fees(account))[-1]


def builds(folder: Path) -> tuple[Build, Build]:
    """This release and the next one."""
    made = []
    for name, sources in (("old", copied_sources(folder / "old")), ("new", next_release(folder / "new"))):
        made.append(Build(install(build_wheel(sources, folder / f"{name}-wheel"), folder / f"{name}-env")))
    return made[0], made[1]


async def test_the_network_stops_at_the_height_and_goes_on_with_the_next_release(
    anvil_binary: Path, tmp_path: Path
) -> None:
    old, new = await trio.to_thread.run_sync(builds, tmp_path / "builds")
    assert [(await build.run("--version")).stdout.split()[-1] for build in (old, new)] == [b"0.1.0", b"0.2.0"]
    options = DevnetOptions(output_dir=tmp_path / "devnet", chains=1, members=4, launcher=old.launcher)
    async with running_devnet(options) as devnet:
        net, flow = Upgrading(devnet, old, new), TradeFlow(devnet)
        await deposit(devnet, tuple(DevnetDeposit(each, 0, "USDC", 500_000 * USDC) for each in devnet.members[:3]))
        fee = await net.trade_once(flow)

        height = await net.schedule()
        # Until the height an operator may go back to the release before, and the node loses nothing. Without n2 the
        # others decide nothing while the node is down, so that a slow machine does not reach the height meanwhile.
        for release in (new, old):
            send_signal(devnet, "n2", signal.SIGSTOP)
            await net.replace("n3", release)
            await wait_ready(devnet, "n3")
            send_signal(devnet, "n2", signal.SIGCONT)
            await roots_equal(devnet, await height_of(devnet.clients["n0"]))
        shown = await old.say("governance show", URL=devnet.url("n1"))
        assert f"protocol 2 from height {height} on".encode() in shown.stdout
        for name in devnet.nodes:
            await net.stopped(name, height)
        assert len({(await client.header(height - 1)).hash for client in devnet.clients.values()}) == 1
        status = await old.say("status", URL=devnet.url("n0"))
        assert status.returncode == ExitCode.NOT_READY
        assert f"stopped after height {height - 1}".encode() in status.stdout
        log = (options.output_dir / "logs" / "n0.log").read_text(encoding="utf-8")
        assert f"stopped after height {height - 1}" in log

        # Three of four get the next release; the fourth neither follows them nor decides anything else.
        for name in ("n0", "n1", "n2"):
            await net.replace(name)
        for name in ("n0", "n1", "n2"):
            await wait_ready(devnet, name)
            await reach(devnet.clients[name], height + 5)
        flow.avoid = "n3"
        assert await net.trade_once(flow) == 2 * fee, "the rule of version 2"
        late = devnet.clients["n3"]
        assert await height_of(late) == height - 1

        async def sees_others() -> bool | None:
            (check,) = [check for check in (await late.readiness()).checks if check.name == "upgrade"]
            return True if "peers are at" in check.detail else None

        await until("the late node to hear of the others", PATIENCE_SECONDS, sees_others)
        assert await height_of(late) == height - 1

        # It comes late, and has the same chain.
        await net.replace("n3")
        await roots_equal(devnet, height + 5)

        # The first release does not start on that home any more, and changes nothing in it.
        await devnet.nodes["n3"].stop()
        words = words_of("start --config", {"HOME": net.home("n3")})
        again = await old.run(*words)
        assert again.returncode == ExitCode.SAFETY, again.stderr.decode()
        assert b"R0483 release_too_old" in again.stderr
        await devnet.nodes["n3"].start()
        await roots_equal(devnet, await height_of(devnet.clients["n0"]))
