"""Releases of halted chains: a stopped node's cursor loses its halt, and the reason is recorded for good.

Rule: anyone who releases names the halt that is released, so that none is released unseen. The record is durable before
the halt is gone. What was read from blocks that are no longer final is forgotten, and read again from the vault's
deployment on. It must not know who may release.
"""

import os
from pathlib import Path
from typing import Annotated

import msgspec

from bridge.codes import BridgeCode
from bridge.watch.branch import BranchFile
from bridge.watch.cursor import FileFactStore, Halt
from clearing.base.errors import LocalFault
from clearing.base.known_types import known_type

REASON_MAX = 500
RECORD_BYTES_MAX = 1 << 20
"""Of one chain's releases: far more than anybody makes."""


class Release(msgspec.Struct, frozen=True):
    """One release, a line of JSON in the record."""

    chain_id: int
    code: int
    """Of the halt."""
    halt: str
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=REASON_MAX)]
    scanned_number: int
    is_rescanned: bool
    """Whether the chain is read again from the vault's deployment on."""
    released_ms: int


def releases_of(folder: Path, chain_id: int) -> tuple[Release, ...]:
    """The record of a chain, oldest first. Raises LocalFault BAD_RELEASES when it cannot be read."""
    path = _record_path(folder, chain_id)
    if not path.exists():
        return ()
    try:
        if path.stat().st_size > RECORD_BYTES_MAX:
            raise ValueError(path.stat().st_size)
        return tuple(msgspec.json.decode(line, type=known_type(Release)) for line in path.read_bytes().splitlines())
    except (ValueError, OSError) as error:
        raise LocalFault(BridgeCode.BAD_RELEASES, path.name, why=str(error)[:200]) from None


def release(folder: Path, chain_id: int, code: int, reason: str, now_ms: int, *, rescan: bool = False) -> Release:
    """Release a chain that is halted with `code`; `reason`: printable, not empty, at most REASON_MAX characters.

    Always rescans after a finality violation: its cursor is on a block that is no longer there. Raises LocalFault
    NOT_HALTED, BAD_RELEASE_REASON, BAD_RELEASES, BAD_CURSOR.
    """
    store = FileFactStore(folder)
    cursor = store.load(chain_id)
    halt = cursor.halt if cursor is not None else None
    if cursor is None or halt is None or halt.code != code:
        raise LocalFault(BridgeCode.NOT_HALTED, "release", chain_id=chain_id, named=code, halted=_code_of(halt))
    if not 0 < len(reason.strip()) <= len(reason) <= REASON_MAX or not reason.isprintable():
        raise LocalFault(BridgeCode.BAD_RELEASE_REASON, "release", characters=len(reason), limit=REASON_MAX)
    releases_of(folder, chain_id)  # a record that cannot be read is not written on
    is_rescanned = rescan or code == BridgeCode.FINALITY_VIOLATION
    made = Release(chain_id, halt.code, halt.reason, reason, cursor.number, is_rescanned, now_ms)
    _append(_record_path(folder, chain_id), msgspec.json.encode(made) + b"\n")
    branch = BranchFile(folder, chain_id)
    if (record := branch.load()) is not None:
        # What strayed is settled; what waits is still to be compared, unless it is read again.
        branch.write(msgspec.structs.replace(record, strayed=None))
    if is_rescanned:
        branch.forget()
        store.forget(chain_id)
    else:
        store.record(msgspec.structs.replace(cursor, halt=None), ())
    return made


def _code_of(halt: Halt | None) -> int:
    return halt.code if halt is not None else 0


def _record_path(folder: Path, chain_id: int) -> Path:
    return folder / f"chain-{chain_id}.releases"


def _append(path: Path, line: bytes) -> None:
    with path.open("ab") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
