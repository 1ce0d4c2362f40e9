"""Four processes, three votes, one set of terms: through the command line, the API, gossip, consensus and a restart."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clearing.base.validators import ValidatorSet
from clearing.genesis.json import genesis_from_json
from clearing.governance.certified_amendments import check_amendments, read_amendments
from clearing.schema.risk.parameters import SPAN_SIXTEEN, RiskParameters
from clearing.schema.terms.genesis import (
    AccountKind,
    AccountTerms,
    CrisisParameters,
    Genesis,
    MarketParameters,
    MemberTerms,
)
from clearing.schema.terms.governance import GovernanceTerms
from cli.main import run
from devnet.network import reserved_ports
from devnet.testnet import Testnet, TestnetNode, create_testnet

pytestmark = pytest.mark.network
ROOT = Path(__file__).resolve().parents[2]
SECONDS_MAX = 600
"""Bound of every wait: only its expiry costs time."""
GOVERNED = GovernanceTerms(vote_ms=600_000, timelock_ms=2_000, timelock_floor_ms=1_000)


def build(validators: ValidatorSet) -> Genesis:
    """Nothing is listed. It begins now: the first block has this time, and refuses what is good until much later."""
    house = MemberTerms(0, "house", bytes(20), (AccountTerms(0, AccountKind.HOUSE),))
    risk, crisis = RiskParameters(groups=(), scenarios=SPAN_SIXTEEN), CrisisParameters(governance=GOVERNED)
    return Genesis(
        "four",
        time.time_ns() // 1_000_000,
        validators,
        (),
        (),
        (),
        (),
        (),
        risk,
        MarketParameters(),
        (house,),
        crisis=crisis,
    )


def start(node: TestnetNode) -> "subprocess.Popen[bytes]":
    given = ["consensus.heartbeat_ms=300", "relayer.enabled=false", "proofs.enabled=false", "oracle.source=none"]
    arguments = ["start", "--config", str(node.home / "node.toml"), *(each for one in given for each in ("--set", one))]
    program = f"import sys\nfrom cli.main import run\nsys.exit(run({arguments!r}))\n"
    with (node.home / "output.log").open("ab") as output:
        return subprocess.Popen([sys.executable, "-c", program], stderr=output, cwd=ROOT)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Testnet, list["subprocess.Popen[bytes]"]]]:
    folder = tmp_path_factory.mktemp("four")
    with reserved_ports(4) as base_port:
        made = create_testnet(folder / "net", build, validators=4, devnet=True, seed=11, base_port=base_port)
        processes = [start(each) for each in made.nodes]
        yield made, processes
        for each in processes:
            each.send_signal(signal.SIGTERM)
        for each in processes:
            try:
                each.wait(SECONDS_MAX)
            except subprocess.TimeoutExpired:
                each.kill()
                each.wait()


def url(node: TestnetNode) -> str:
    return f"http://127.0.0.1:{node.config.api.port}"


def until(capsys: pytest.CaptureFixture[str], arguments: list[str], good: str) -> str:
    """Ask again until the answer has this in it."""
    deadline = time.monotonic() + SECONDS_MAX
    printed = ""
    while time.monotonic() < deadline:
        capsys.readouterr()
        if run(arguments) == 0:
            printed = capsys.readouterr().out
            if good in printed:
                return printed
        time.sleep(0.5)
    pytest.fail(f"no {good!r} in {printed[-2000:]!r}")


def test_a_vote_through_real_nodes(
    network: tuple[Testnet, list["subprocess.Popen[bytes]"]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, processes = network
    nodes = made.nodes
    for node in nodes:  # a proposal waits for a block only so long, so all must be there
        until(capsys, ["governance", "show", "--url", url(node)], "0 amendments")
    keys = [["--home", str(each.home), "--devnet"] for each in nodes]
    feed = json.dumps({"id": 1, "name": "BTC"})
    changes = ["--set", f"feeds.1={feed}", "--set", "market.trade_fee_ppm=250"]
    assert run(["governance", "propose", *changes, "--reason", "first", *keys[0], "--url", url(nodes[0])]) == 0
    for at in (0, 1, 3):
        until(capsys, ["governance", "show", "--url", url(nodes[at])], "proposal 1 by")
        voted = ["governance", "vote", "1", "--for", "--yes", *keys[at], "--url", url(nodes[at])]
        until(capsys, voted, "voted for")  # a later revision, when the answer to an earlier one was lost
    for node in nodes:
        until(capsys, ["governance", "show", "--url", url(node)], "amendment 1 at height")
    file = tmp_path / "amendments.bin"
    assert run(["governance", "amendments", "--url", url(nodes[2]), "--out", str(file)]) == 0
    genesis = genesis_from_json(made.genesis_path.read_bytes())
    certified = read_amendments(file.read_bytes())
    terms, applied = check_amendments(certified, genesis, genesis.validators.hash, certified.header.height)
    assert (applied, terms.market.trade_fee_ppm, [each.name for each in terms.feeds]) == (1, 250, ["BTC"])
    # A node that comes back has them from its disk.
    processes[3].send_signal(signal.SIGTERM)
    assert processes[3].wait(SECONDS_MAX) == 0
    processes[3] = start(nodes[3])
    printed = until(capsys, ["governance", "show", "--output", "json", "--url", url(nodes[3])], '"amendments_count": 1')
    assert json.loads(printed)["amendments"][0]["paths"] == ["feeds.1", "market.trade_fee_ppm"]
