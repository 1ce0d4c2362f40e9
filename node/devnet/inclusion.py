"""What one member of a devnet knows of itself at an epoch: the files with which it finds itself in the package.

Rule: the same files that a real member keeps (its seed, 0600, and its holdings), made from the replayed block log.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from clearing.holdings import holdings_of
from clearing.margin.snapshot import RiskStatement
from clearing.state.state import State
from node.keys.files import make_secret_folder, write_secret


@dataclass(frozen=True, slots=True)
class MemberFiles:
    """Where they are."""

    account: int
    seed: Path
    holdings: Path

    @property
    def arguments(self) -> list[str]:
        """For `crossclear verify`."""
        return ["--account", str(self.account), "--seed-file", str(self.seed), "--holdings", str(self.holdings)]


def member_files(folder: Path, name: str, account: int) -> MemberFiles:
    """Their names, in a folder of the member's own."""
    return MemberFiles(account, folder / name / "seed", folder / name / "holdings.json")


def write_member_files(files: MemberFiles, statement: RiskStatement, state: State, seed: bytes) -> None:
    """Write both; `state` is the one that `statement` is about."""
    held = holdings_of(state, files.account)
    names = [slot.name for slot in statement.slots if slot.is_public]
    amounts = dict(zip(names, (*held.cash, *held.tokens, *held.lots), strict=True))
    make_secret_folder(files.seed.parent)
    write_secret(files.seed, seed.hex().encode() + b"\n")
    files.holdings.write_text(json.dumps({name: str(amount) for name, amount in amounts.items() if amount}, indent=1))
