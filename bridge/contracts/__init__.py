"""The vault's contracts: Solidity sources, and their compiled artifacts as Python reads them.

Rule: artifacts are committed and equal, byte for byte, the output of the pinned compiler; running
a node needs no compiler.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from clearing.base.hashing import sha256

FOLDER = Path(__file__).resolve().parent
ARTIFACTS = FOLDER / "artifacts"
WORD_BYTES = 32


@dataclass(frozen=True, slots=True)
class Artifact:
    """One compiled contract."""

    name: str
    abi: tuple[dict[str, Any], ...]
    bytecode: bytes
    """What creates it, without constructor arguments."""
    code: bytes
    """What then stands at its address, with zeros for the immutables."""
    immutables: tuple[tuple[int, ...], ...]
    """Of each immutable, where its 32 bytes stand in the code."""
    storage: dict[str, tuple[int, int]]
    """Variable to (slot, offset in bytes), as the compiler lays storage out."""

    @property
    def code_bytes(self) -> int:
        """Size of the code."""
        return len(self.code)

    @property
    def hash(self) -> bytes:
        """SHA-256 of what creates it: names the version."""
        return sha256(self.bytecode)

    def is_code(self, found: bytes) -> bool:
        """Whether code on a chain is this contract's, whatever its immutables are."""
        masked = bytearray(found)
        for places in self.immutables:
            if len({found[start : start + WORD_BYTES] for start in places}) != 1:
                return False
            for start in places:
                masked[start : start + WORD_BYTES] = bytes(WORD_BYTES)
        return bytes(masked) == self.code


@cache
def load_artifact(name: str) -> Artifact:
    """The committed artifact of contract `name`. Raises FileNotFoundError when there is no such contract."""
    if not name.isidentifier():
        raise FileNotFoundError(name)
    read = json.loads((ARTIFACTS / f"{name}.json").read_bytes())
    places = {label: (slot, offset) for label, (slot, offset) in read["storage"].items()}
    code, immutables = bytes.fromhex(read["code"]), tuple(map(tuple, read["immutables"]))
    return Artifact(name, tuple(read["abi"]), bytes.fromhex(read["bytecode"]), code, immutables, places)
