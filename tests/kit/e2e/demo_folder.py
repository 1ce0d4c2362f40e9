"""A finished demonstration: its folder, and what anybody can compute again from what lies in it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from clearing.base.codec import decode
from clearing.genesis.json import genesis_from_json
from clearing.schema.terms.genesis import Genesis
from consensus.messages import Block
from member.keys.key_folder import KIND_OF, PASSWORD_FILE, Purpose, read_key
from member.keys.secret_files import read_password
from node.agreement.application import DecidedHeight, state_salt
from node.offline.replay import Replayed, replay
from node.store.block_log import read_block_log
from tests.kit.e2e.leftovers import ROOT


@dataclass(frozen=True)
class DemoFolder:
    """The folder after a run of the demonstration, which has ended."""

    folder: Path
    exit_code: int
    stdout: str
    stderr: str
    mark: str
    private: Path
    """Home, temporary folder and working folder of the run, all empty at its start."""
    appeared: frozenset[str]
    """What there is in the checkout after the run and was not before."""

    @cached_property
    def summary(self) -> dict[str, Any]:
        """`summary.json`."""
        decoded: dict[str, Any] = json.loads((self.folder / "summary.json").read_bytes())
        return decoded

    @property
    def package(self) -> Path:
        """The last epoch's."""
        return self.folder / "epoch.ccp"

    @property
    def genesis_path(self) -> Path:
        """The network's genesis."""
        return self.folder / "nodes" / "genesis.json"

    @cached_property
    def genesis(self) -> Genesis:
        """The same, read."""
        return genesis_from_json(self.genesis_path.read_bytes())

    @property
    def homes(self) -> list[Path]:
        """One a validator."""
        return sorted(path for path in (self.folder / "nodes").iterdir() if path.is_dir())

    @property
    def block_logs(self) -> list[Path]:
        """One a validator, in the same order."""
        return [self.folder / f"blocks-{home.name}.log" for home in self.homes]

    @cached_property
    def network_seed(self) -> bytes:
        """Shared by the validators."""
        home, purpose = self.homes[0], Purpose.NETWORK_SEED
        return read_key(home, purpose.value, KIND_OF[purpose], read_password(home / PASSWORD_FILE), allow_weak=True)

    def replayed(self, log: Path, listener: Callable[[DecidedHeight], None]) -> Replayed:
        """Execute a block log again, in this process."""
        return replay(self.genesis, state_salt(self.network_seed), read_block_log(log), listener)


def blocks_of(log: Path) -> list[Block]:
    """The blocks as recorded, only decoded."""
    return [decode(record.block, Block, 1 << 26) for record in read_block_log(log)]


def command_line(*arguments: str, environment: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    """`crossclear` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "cli", *arguments],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
