"""The light client's file: its state, the blocks that it proved, and a conflict that it saw.

Rule: a file is replaced as a whole, durably, and carries its checksum. What was built on another checkpoint than the
one configured is not used: so an operator who decides a conflict names the checkpoint to go on from.
"""

import os
from pathlib import Path
from typing import Annotated

import msgspec

from bridge.beacon.final_blocks import FinalBlocks
from bridge.beacon.sync_protocol import LightState
from bridge.codes import BridgeCode
from clearing.base.codec import Bytes32, Wire, decode, encode
from clearing.base.errors import LocalFault, RemoteFault
from clearing.base.hashing import sha256

FILE_BYTES_MAX = 1 << 18
"""Two committees are 50 kB, the blocks 45 kB."""
CONFLICT_MAX = 1000


class SavedLight(Wire, frozen=True):
    """What a restart goes on from."""

    checkpoint_root: Bytes32
    state: LightState
    blocks: FinalBlocks
    conflict: Annotated[str, msgspec.Meta(max_length=CONFLICT_MAX)] = ""
    """Why the light client stopped for good; empty: it did not."""


class BeaconStore:
    """The file of one chain in `folder`."""

    def __init__(self, folder: Path, chain_id: int) -> None:
        self._path = folder / f"chain-{chain_id}.light"

    def load(self, checkpoint_root: bytes) -> SavedLight | None:
        """What was saved on this checkpoint. Raises LocalFault BAD_LIGHT_FILE when the file cannot be read."""
        try:
            with self._path.open("rb") as file:
                data = file.read(FILE_BYTES_MAX + 33)
        except FileNotFoundError:
            return None
        if data[:32] != sha256(data[32:]):
            raise LocalFault(BridgeCode.BAD_LIGHT_FILE, self._path.name, why="checksum", bytes=len(data))
        try:
            saved = decode(data[32:], SavedLight, FILE_BYTES_MAX)
        except RemoteFault as fault:
            raise LocalFault(BridgeCode.BAD_LIGHT_FILE, self._path.name, why=str(fault)) from None
        return saved if saved.checkpoint_root == checkpoint_root else None

    def save(self, saved: SavedLight) -> None:
        """Replace the file, durably."""
        body = encode(saved)
        new = self._path.with_suffix(".new")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with new.open("wb") as file:
            file.write(sha256(body) + body)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
        descriptor = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
