"""`crossclear devnet`: a network that stays up, or the demonstration: play the story, recompute it, judge it.

Rule: SIGINT (Ctrl-C), SIGTERM and SIGHUP cancel what runs, and cleaning up is never cut short. A signal's handler
raises nothing: KeyboardInterrupt would come between any two instructions, and Python drops an exception that is raised
inside the callback of a weak reference. trio's list of asynchronous generators has such callbacks, which run at the
end of every HTTP response: a signal that came there was lost.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
import trio
from rich.console import Console

from clearing.accounts.commitment_seeds import sealed_seed
from clearing.base.errors import LocalFault
from clearing.base.ids import NetworkId
from clearing.base.known_types import known_type
from clearing.base.plain_text import one_line
from clearing.schema.blocks.block import BlockResult
from clearing.state.state import State
from devnet.demo.report import Summary, count, logged, member_lines, middle, missing, show
from devnet.demo.story import CATCH_UP_HEIGHTS, MISTYPED, RISKY, DevnetStory, StoryRecord
from devnet.demo.volatility import SurfaceWatch
from devnet.demo.web_report import DaySeries, day_series, write_web_report
from devnet.members import MemberFiles, member_files, write_member_files
from devnet.network import Devnet, running_devnet
from devnet.options import DevnetOptions, check_options
from devnet.testnet import Testnet, TestnetNode
from devnet.try_it import NOTE, trade_key_path
from member.keys.key_folder import KIND_OF, PASSWORD_FILE, Purpose, read_key
from member.keys.secret_files import read_password
from member.verifying.package import VerificationReport, anchor_of_genesis
from member.verifying.proof_files import history_of
from node.agreement.application import DecidedHeight, state_salt
from node.epochs.seeds import AccountSeeds
from node.offline.replay import replay
from node.store.block_log import read_block_log, write_block_log
from node.store.store import Store
from proofs.epoch.package import SUFFIX, read_package
from proofs.errors import ProofCode


def main(options: DevnetOptions) -> int:
    """Run until the end of the demonstration, or until Ctrl-C (which is a clean end). Raises LocalFault.

    SIGTERM and SIGHUP end it as Ctrl-C does: by themselves they would leave validators without an owner.
    """
    check_options(options)
    console = Console(stderr=True)
    if options.demo:
        status: int = trio.run(run_interruptibly, partial(run_demo, options, console))
        return status
    try:
        trio.run(run_interruptibly, partial(_stay_up, options, console))
    except KeyboardInterrupt:
        console.print("the network has ended")
    return 0


async def _stay_up(options: DevnetOptions, console: Console) -> None:
    async with running_devnet(options) as devnet:
        introduce(devnet, console)
        story = DevnetStory(devnet, lambda text: console.print(text, highlight=False))
        await story.fund()
        await story.trading.open_book()
        story.start_replay()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_watch, devnet)
            while True:
                try:
                    await story.trading.flow(avoid=RISKY)
                except LocalFault as fault:
                    console.print(one_line(str(fault)), style="yellow", markup=False)
                    await trio.sleep(1)


async def _watch(devnet: Devnet) -> None:
    while True:
        for node in devnet.nodes.values():
            node.check()
        await trio.sleep(1)


def introduce(devnet: Devnet, console: Console) -> None:
    """Print where everything is, and the page with a member to sign in as.

    Addresses and paths are written as they are, in one line each: they are there to be copied.
    """
    folder, person = devnet.options.output_dir, devnet.members[-1]
    lines = ["the network is up; Ctrl-C ends it"]
    lines += [f"  {name}  {devnet.url(name)}/v1/state  /readyz  /metrics" for name in devnet.nodes]
    lines += [
        f"  {chain.deployed.name}  {chain.anvil.url}  vault 0x{chain.deployed.vault.hex()}" for chain in devnet.chains
    ]
    lines += [
        f"  {folder}  homes, members' keys, logs, packages",
        f"  {folder / NOTE}  commands for a member, once the accounts are funded",
        f"  {devnet.url(next(iter(devnet.nodes)))}/  the page in a browser",
        f"  sign in there as {person.name}: account {person.id}, key in {trade_key_path(folder, person)}",
    ]
    for line in lines:
        console.out(line, highlight=False)


PACKAGE = "epoch.ccp"
WEB_REPORT = "report.html"
MEMBER = ("alice", 1)
"""Who looks for itself in the last package: name and account."""


async def run_demo(options: DevnetOptions, console: Console) -> int:
    """Play and judge; the exit code."""
    started = time.monotonic()

    def report(text: str) -> None:
        console.print(f"[{time.monotonic() - started:6.1f} s] {text}", highlight=False)

    notes, testnet, stuck = StoryRecord(), None, ""
    report(f"{options.validators} validators, {options.chains} chains, {options.members} members")
    try:
        async with running_devnet(options) as devnet:
            report("the network is up")
            story = DevnetStory(devnet, report)
            notes, testnet = story.record, devnet.testnet
            await story.play()
    except LocalFault as fault:
        stuck = str(fault)
        console.print(one_line(stuck), style="red", markup=False)
        if testnet is None:
            raise
    report("all processes have ended; recomputing from the block log")
    judging = partial(judge, options, testnet, notes, stuck, time.monotonic() - started)
    summary = await trio.to_thread.run_sync(
        judging,
        abandon_on_cancel=True,  # type: ignore[call-arg]  # the stubs know its old name
    )
    (options.output_dir / "summary.json").write_bytes(msgspec.json.format(msgspec.json.encode(summary), indent=2))
    show(summary, console)
    console.print(summary.claim, highlight=False)
    for part in summary.missing:
        console.print(f"missing: {part}", style="red", highlight=False)
    report(f"charts are in {options.output_dir / WEB_REPORT}")
    report(f"everything is in {options.output_dir}")
    return 0 if summary.ok else 1


@dataclass(slots=True)
class LogReplay:
    """What the replay of all block logs found."""

    results: list[BlockResult] = field(default_factory=list)
    """Of the first validator's log, height by height."""
    state: State | None = None
    """The last one, or None without blocks."""
    surfaces: SurfaceWatch = field(default_factory=SurfaceWatch)
    height: int = 0
    state_root: bytes = b""
    all_replay: bool = False
    """Whether every other validator's log replays, too."""
    series: DaySeries | None = None
    """The same over time."""


def judge(options: DevnetOptions, testnet: Testnet, notes: StoryRecord, stuck: str, seconds: float) -> Summary:
    """Replay each validator's block log, verify the package, and compare with what was promised."""
    folder = options.output_dir
    own = member_files(folder, *MEMBER)
    (folder / PACKAGE).write_bytes(notes.package)
    logs = replay_logs(folder, testnet, notes, own)
    verdict = verify(folder, testnet, own)
    genesis, tally = testnet.genesis, count(testnet.genesis, logs.results)
    failed = missing(genesis, tally, promises(testnet, notes, stuck, logs, verdict))
    node_logs = sorted((folder / "logs").glob("*.log"))
    stopped, proven = logged(node_logs, "stopped"), logged(node_logs, "epoch proven")
    summary = Summary(
        ok=not failed,
        missing=failed,
        network=testnet.network.hex(),
        heights=logs.height,
        state_root=logs.state_root.hex(),
        deposits={chain.name: tally.deposits[chain.chain_id] for chain in genesis.chains},
        trades=dict(tally.trades),
        trades_submitted=notes.trades_submitted,
        refused={f"R{code:04d}": number for code, number in sorted(tally.refused.items())},
        liquidations=tally.opened.total(),
        margin_calls=tally.called.total(),
        slices_sold=tally.slices.total(),
        taken_over=tally.liquidations.total(),
        fund_members=len(tally.contributed),
        fund_micros=tally.contributed.total(),
        defaults=tally.defaults,
        withdrawals_released=tally.released,
        withdrawals_confirmed=tally.confirmed,
        withdrawals_across_chains=len(tally.crossed),
        withdrawals_in_one_transaction=notes.batched_claims,
        deposits_refunded=tally.refunded,
        escape=notes.escape,
        deposit_seconds=round(notes.deposit_seconds, 3),
        withdrawal_seconds=round(notes.withdrawal_seconds, 3),
        heights_until_root_equal_after_restart=notes.returned_heights,
        block_latency_ms_p50=middle([entry["latency_ms_p50"] for entry in stopped]),
        block_latency_ms_p99=max((entry["latency_ms_p99"] for entry in stopped), default=0.0),
        proofs=len({entry["epoch"] for entry in proven}),
        proof_seconds_median=round(middle([entry["seconds"] for entry in proven]), 3),
        package_epoch=notes.package_epoch,
        package_height=verdict.height,
        package_bytes=verdict.bytes,
        verify_seconds=verdict.seconds,
        claim=claim(folder, testnet, own),
        prices=tuple(line for _, line in sorted(logs.surfaces.prices.items())),
        volatility=logs.surfaces.volatility(logs.state) if logs.state else (),
        early_calls=tuple(logs.surfaces.early),
        members=member_lines(genesis, logs.state, tally) if logs.state else (),
        seconds=round(seconds, 1),
    )
    if logs.series is not None:
        write_web_report(folder / WEB_REPORT, summary, logs.series, proven)
    return summary


def replay_logs(folder: Path, testnet: Testnet, notes: StoryRecord, own: MemberFiles) -> LogReplay:
    """Replay each validator's block log; write the member's files at the height of the last package."""
    first, *others = [export_blocks(folder, testnet.network, node) for node in testnet.nodes]
    series = day_series(testnet.genesis)
    secret, found = network_seed(testnet.nodes[0]), LogReplay(series=series)
    statement = read_package(notes.package).statement if notes.package else None

    def note(decided: DecidedHeight) -> None:
        found.results.append(decided.result)
        found.surfaces.note(decided)
        found.state = decided.state
        series.note(decided)
        if statement is not None and decided.header.height == statement.height:
            seed = AccountSeeds(secret).at(own.account, statement.epoch, sealed_seed(decided.state, own.account))
            write_member_files(own, statement, decided.state, seed)

    genesis, salt = testnet.genesis, state_salt(secret)
    replayed = replay(genesis, salt, read_block_log(first), note)
    found.height, found.state_root = replayed.height, replayed.state_root
    found.all_replay = all(replay(genesis, salt, read_block_log(path)).blocks > 0 for path in others)
    return found


def promises(
    testnet: Testnet, notes: StoryRecord, stuck: str, logs: LogReplay, verdict: VerificationReport
) -> dict[str, bool]:
    """What the demonstration promises beyond its receipts, and whether it is so."""
    drilled = {
        f"the escape must pay what is owed in {drill.token} on {drill.chain}": 0 < drill.paid <= drill.owed
        for drill in notes.escape
    }
    return drilled | {
        "no step may be stuck: " + (stuck or "-"): not stuck,
        "every validator's block log must replay to its roots": logs.all_replay,
        f"the restarted validator must have the others' root within {CATCH_UP_HEIGHTS} heights": (
            0 <= notes.returned_heights <= CATCH_UP_HEIGHTS
        ),
        "the vault must have paid the wallet on the other chain": notes.paid_micros > 0,
        "one transaction must have paid several withdrawals": notes.batched_claims > 1,
        "an early call must follow from implied volatility": any(
            line.follows_from_volatility for line in logs.surfaces.early
        ),
        "a vault must have refunded the mistyped deposit": notes.refunded_micros == MISTYPED,
        "the last epoch package must verify": verdict.ok,
        "each epoch up to the last package must have one": epochs_proven(testnet)
        >= {*range(1, notes.package_epoch + 1)},
        "the packages of all validators must be one history": one_history(testnet),
    }


def epochs_proven(testnet: Testnet) -> set[int]:
    """Epochs of which at least one validator keeps a package."""
    paths = [path for node in testnet.nodes for path in (node.home / node.config.proofs.folder).glob(f"*{SUFFIX}")]
    return {int(path.stem.rpartition("-")[2]) for path in paths}


def one_history(testnet: Testnet) -> bool:
    """Whether all packages pass every check and together contradict nothing; an end in mid-proof may leave a gap."""
    folders = [node.home / node.config.proofs.folder for node in testnet.nodes]
    anchor = anchor_of_genesis(testnet.genesis_path.read_bytes())
    found = history_of(
        [folder for folder in folders if folder.is_dir()], anchor, [ProofCode.EPOCH_MISSING], thorough=False
    )
    return found.ok


def export_blocks(folder: Path, network: NetworkId, node: TestnetNode) -> Path:
    """Write a stopped validator's block log beside the rest."""
    path = folder / f"blocks-{node.config.node.name}.log"
    with Store(node.home / "node.sqlite", network) as store:
        write_block_log(path, network, store.blocks())
    return path


def network_seed(node: TestnetNode) -> bytes:
    """The seed that all validators share."""
    password = read_password(node.home / PASSWORD_FILE)
    purpose = Purpose.NETWORK_SEED
    return read_key(node.home, purpose.value, KIND_OF[purpose], password, allow_weak=True)


def verify(folder: Path, testnet: Testnet, own: MemberFiles) -> VerificationReport:
    """`crossclear verify` in a process of its own, as a member would."""
    answer = _verify_command(folder, testnet, own, "json")
    try:
        return msgspec.json.decode(answer.stdout, type=known_type(VerificationReport))
    except msgspec.DecodeError:
        return VerificationReport(ok=False, height=0, network="", checks=(), bytes=0, seconds=0.0)


def claim(folder: Path, testnet: Testnet, own: MemberFiles) -> str:
    """The verifier's own text."""
    return _verify_command(folder, testnet, own, "text").stdout.decode("utf-8", errors="replace")


def _verify_command(
    folder: Path, testnet: Testnet, own: MemberFiles, output: str
) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "cli", "verify", str(folder / PACKAGE), "--output", output, "--no-strict"]
    command += ["--genesis", str(testnet.genesis_path), *own.arguments]
    return subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)


T = TypeVar("T")
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def run_interruptibly(work: Callable[[], Awaitable[T]]) -> T:
    """The result of `work`. Raises KeyboardInterrupt when a signal ended it, after everything in it was cleaned up.

    The first signal cancels `work`; later ones change nothing. Works in the main thread only.
    """
    with trio.CancelScope() as scope, _cancelled_by_signals(scope):
        return await work()
    raise KeyboardInterrupt


@contextmanager
def _cancelled_by_signals(scope: trio.CancelScope) -> Iterator[None]:
    """The handlers that were there before are given back at the end."""
    token = trio.lowlevel.current_trio_token()

    def cancel(_number: int, _frame: object) -> None:
        token.run_sync_soon(scope.cancel, idempotent=True)

    before = [(number, signal.signal(number, cancel)) for number in ENDING_SIGNALS]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
