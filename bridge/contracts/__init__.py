"""The vault's contracts: Solidity sources, and their compiled artifacts as Python reads them.

Rule: artifacts are committed and equal, byte for byte, the output of the pinned compiler; running
a node needs no compiler.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
ARTIFACTS = FOLDER / "artifacts"


@dataclass(frozen=True, slots=True)
class Artifact:
    """One compiled contract."""

    name: str
    abi: tuple[dict[str, Any], ...]
    bytecode: bytes
    """What creates it, without constructor arguments."""
    code_bytes: int
    """Size of what then stands at its address."""
    storage: dict[str, tuple[int, int]]
    """Variable to (slot, offset in bytes), as the compiler lays storage out."""


@cache
def load_artifact(name: str) -> Artifact:
    """The committed artifact of contract `name`. Raises FileNotFoundError when there is no such contract."""
    if not name.isidentifier():
        raise FileNotFoundError(name)
    read = json.loads((ARTIFACTS / f"{name}.json").read_bytes())
    places = {label: (slot, offset) for label, (slot, offset) in read["storage"].items()}
    return Artifact(name, tuple(read["abi"]), bytes.fromhex(read["bytecode"]), read["code_bytes"], places)
