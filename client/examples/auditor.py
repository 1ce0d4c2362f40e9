"""An auditor: follows the epochs of a network over several nodes, keeps every package, and has each one verified.

It trusts the genesis alone. Nodes are compared with each other: two certified headers of one height that differ are a
finding. Packages are judged by the verifier, a program of its own. Each line printed is JSON; a finding ends with 6.

    python auditor.py URL URL --genesis genesis.json --keep FOLDER --epochs 1
"""

import argparse
import hashlib
import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import anyio

from crossclear_client import Client, ClientError, NodeRefused
from crossclear_client.errors import NodeUnreachable

HEIGHTS_BACK = 3
"""Compared so far below the newest height, where every node is by then."""
FINDING = 6


def say(event: str, **values: object) -> None:
    """One line of the audit."""
    sys.stdout.write(json.dumps({"event": event, **values}) + "\n")
    sys.stdout.flush()


async def compare_headers(clients: Sequence[Client]) -> bool:
    """Whether all nodes that have a height certified the same header there."""
    height = max((await clients[0].state()).height - HEIGHTS_BACK, 1)
    hashes = []
    for client in clients:
        try:
            hashes.append((await client.header(height)).hash)
        except (NodeRefused, NodeUnreachable) as error:
            say("no header", height=height, code=error.code)
    say("headers", height=height, nodes=len(hashes), agree=len(set(hashes)) == 1)
    return len(set(hashes)) <= 1


async def fetch_package(clients: Sequence[Client], after: int, folder: Path) -> tuple[int, Path] | None:
    """The newest package beyond an epoch, of the first node that has one; None while there is none."""
    for client in clients:
        try:
            found = [each for each in (await client.proofs()).packages if each.epoch > after]
        except ClientError as error:
            say("no packages", code=error.code)
            continue
        if not found:
            continue
        newest = max(found, key=lambda each: each.epoch)
        data = await client.download(f"/v1/proofs/{newest.epoch}")
        path = folder / f"epoch-{newest.epoch}.ccp"
        path.write_bytes(data)
        say(
            "package",
            epoch=newest.epoch,
            height=newest.height,
            bytes=len(data),
            as_listed=hashlib.sha256(data).hexdigest() == newest.sha256.removeprefix("0x"),
        )
        return newest.epoch, path
    return None


async def verify(command: str, package: Path, genesis: Path) -> bool:
    """The verifier's verdict on a package, at this genesis."""
    words = [*shlex.split(command), str(package), "--genesis", str(genesis), "--no-strict", "--output", "json"]
    done = await anyio.run_process(words, check=False, stderr=subprocess.DEVNULL)
    try:
        checks = json.loads(done.stdout)["checks"]
    except (ValueError, KeyError):
        checks = []
    failed = [check["name"] for check in checks if not check["ok"]]
    say("verdict", package=package.name, ok=done.returncode == 0, checks=len(checks), failed=failed)
    return done.returncode == 0


async def main(given: argparse.Namespace) -> int:
    """Audit so many epochs."""
    given.keep.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(url)) for url in given.urls]
        epoch, audited = 0, 0
        while audited < given.epochs:
            found = await fetch_package(clients, epoch, given.keep)
            if found is None:
                await anyio.sleep(1)
                continue
            epoch, package = found
            is_good = await verify(given.verifier, package, given.genesis)
            if not await compare_headers(clients) or not is_good:
                say("finding", epoch=epoch)
                return FINDING
            audited += 1
        fund = await clients[0].fund()
        say("done", epochs=audited, fund_micros=fund.total_micros, fund_target_micros=fund.target_micros)
    return 0


def parsed() -> argparse.Namespace:
    """The arguments."""
    parser = argparse.ArgumentParser(description="Audit epochs.")
    parser.add_argument("urls", nargs="+")
    parser.add_argument("--genesis", type=Path, required=True)
    parser.add_argument("--keep", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--verifier", default="crossclear verify")
    parser.add_argument("--backend", choices=("asyncio", "trio"), default="asyncio")
    return parser.parse_args()


if __name__ == "__main__":
    arguments = parsed()
    sys.exit(anyio.run(main, arguments, backend=arguments.backend))
