"""Changing the validator set of a running network, as its operators do it: by the command line and signed files.

Rule: only what an operator has is used: homes, files, a node's address. Each honest validator approves in its own home.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import trio

from clearing.base.errors import LocalFault
from devnet.codes import DevnetCode
from devnet.demo.story import until
from tests.testnets.ground import ROOT
from tests.testnets.network import START_SECONDS, TestNetwork
from tests.testnets.processes import RunningNode


async def change_power(network: TestNetwork, nodes: Sequence[RunningNode], power: int) -> None:
    """Give nodes another power (0: they leave) and wait until the new set agrees. Raises LocalFault."""
    asked = network.asked_node()
    url = f"http://{asked.place.api_host}:{asked.place.api_port}"
    file = network.folder / f"change-{len(list(network.folder.glob('change-*.json')))}.json"
    voting = [node for node in network.honest if network.powers.get(node.name) and node.able]
    await trio.to_thread.run_sync(_sign_and_submit, network, nodes, power, voting, url, file)
    client = network.clients[asked.name]

    async def agrees() -> bool | None:
        shown = await client.validators()
        powers = {each.envelope_key: each.power for each in shown.validators}
        reached = all(powers.get("0x" + network.keys[node.name].hex(), 0) == power for node in nodes)
        return True if reached and shown.hash == shown.agreeing_hash and shown.change is None else None

    await until("the new validator set to agree, and every vault to follow it", START_SECONDS, agrees)
    for node in nodes:
        network.powers[node.name] = power


def _sign_and_submit(
    network: TestNetwork, nodes: Sequence[RunningNode], power: int, voting: Sequence[RunningNode], url: str, file: Path
) -> None:
    options = [word for node in nodes for word in _told(network, node, power)]
    _crossclear("propose", "--url", url, "--out", str(file), *options)
    for node in voting:
        _crossclear("approve", str(file), "--home", str(node.home), "--devnet")
    _crossclear("submit", str(file), "--url", url)


def _told(network: TestNetwork, node: RunningNode, power: int) -> tuple[str, str]:
    key = network.keys[node.name].hex()
    if power == 0:
        return "--leave", key
    if network.powers.get(node.name):
        return "--power", f"{key}={power}"
    card = network.folder / f"card-{node.name}.json"
    card.write_text(_crossclear("card", "--home", str(node.home), "--devnet", "--output", "json"))
    return "--enter", f"{card}={power}"


def _crossclear(*words: str) -> str:
    """Run `crossclear validators …`; what it printed. Raises LocalFault."""
    command = [sys.executable, "-m", "cli", "validators", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LocalFault(
            DevnetCode.SUBMISSION_REFUSED, f"validators {words[0]}", exit_code=done.returncode, why=done.stderr[-500:]
        )
    return done.stdout
