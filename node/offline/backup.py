"""Backups of a node's blocks, receipts and states: made while it runs, checked without it, and restored.

Rule: a backup has no key and no sign state, so that nothing can be signed with it. It has every position, so that its
files are secrets. No block is restored that was not checked: each file by its digest, each block by what its header
commits to and by its link to the one above, and each set of validators by a certificate of its own. What is checked is
the copy that is kept, since a folder may change meanwhile.
"""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec

from clearing.base.errors import CrossclearError, LocalFault
from clearing.base.plain_json import read_json
from clearing.schema.terms.genesis import Genesis, network_id
from consensus.blocks.admission import is_final
from consensus.blocks.executor import check_carried
from consensus.blocks.store import load_committed, load_set
from consensus.light_client import CurveLightVerifier
from consensus.messages import CommittedBlock
from member.codes import NodeCode
from member.durable_files import sync_folder, write_whole
from member.keys.secret_files import make_secret_folder
from node.config import NodeConfig
from node.genesis_file import checked_genesis
from node.home_lock import alone_in
from node.signer.sign_state import SIGN_STATE, locked_sign_state
from node.store.blocks import StoredBlocks
from node.store.database import check_tables, copy_heights, keep_whole
from node.store.store import FrozenStore, Store

STORE, GENESIS, MANIFEST = "node.sqlite", "genesis.json", "backup.json"
FORMAT = "crossclear/backup/v1"
_MANIFEST_BYTES_MAX = 1 << 16
_CHUNK = 1 << 20
Progress = Callable[[int, int], None]
"""Gets a height, and the last one of the backup."""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a backup says of itself."""

    format: str
    network: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    first_height: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    """Above 1 where the node began with a state from peers."""
    height: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    header_hash: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    """Of the highest block."""
    files: dict[str, Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]]
    """SHA-256 by name."""


def create_backup(config: NodeConfig, genesis: Genesis, folder: Path, progress: Progress) -> Manifest:
    """Write a backup into a new folder of mode 0700; the node may run, and what it decides meanwhile is left out.

    A folder that was not finished has no `backup.json`. Raises LocalFault OUTPUT_EXISTS, STORE_GAP where the home has
    no block, STORE_CORRUPT.
    """
    if folder.exists():
        raise LocalFault(NodeCode.OUTPUT_EXISTS, str(folder))
    source, network = config.path(STORE), network_id(genesis)
    if not source.exists():
        raise LocalFault(NodeCode.STORE_GAP, str(source), height=0)
    with Store(source, network) as store:
        height = store.height()
        newest = load_committed(StoredBlocks(store), height)
        if newest is None:
            raise LocalFault(NodeCode.STORE_GAP, str(source), height=height)
        make_secret_folder(folder)
        (folder / STORE).touch(mode=0o600)
        copy_heights(source, folder / STORE, height, lambda copied: progress(copied, height))
        first = keep_whole(folder / STORE, store.first_height(), height)
    write_whole(folder / GENESIS, config.path(config.node.genesis).read_bytes(), 0o600)
    _sync(folder / STORE)
    files = {name: _digest(folder / name) for name in (STORE, GENESIS)}
    manifest = Manifest(FORMAT, network.hex(), first, height, newest.block.header.hash.hex(), files)
    write_whole(folder / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n", 0o600)
    return manifest


def verify_backup(folder: Path, progress: Progress) -> Manifest:
    """Check all of a backup; writes nothing. Raises LocalFault BAD_BACKUP for the first thing that is wrong."""
    manifest = _read_manifest(folder)
    _check(folder, folder / STORE, manifest, progress)
    return manifest


def restore_backup(folder: Path, config: NodeConfig, genesis: Genesis, progress: Progress) -> Manifest:
    """Copy a backup's blocks, check the copy, and put it into a home without blocks, whose sign state is its own.

    Raises LocalFault: BAD_BACKUP, STORE_OTHER_NETWORK, OUTPUT_EXISTS also while another restore runs,
    SIGN_STATE_MISSING (a key that may have signed begins with a state from peers instead), DOUBLE_SIGN while the node
    runs.
    """
    target = config.path(STORE)
    # The sign state's lock does not do for keys in a process of their own: a second restore would put another file in
    # the place of the one that is checked.
    alone = alone_in(target.parent, target, "another restore is under way")
    with locked_sign_state(config.path(SIGN_STATE)) as guard, alone:
        if guard is None and not config.signer.address:
            raise LocalFault(NodeCode.SIGN_STATE_MISSING, str(config.path(SIGN_STATE)), height=0)
        for taken in (target, target.with_name(f"{STORE}-wal")):
            if taken.exists():
                raise LocalFault(NodeCode.OUTPUT_EXISTS, str(taken))
        manifest = _read_manifest(folder)
        partial = target.with_name(f"{STORE}.part")
        try:
            _copy(folder / STORE, partial)
            _check(folder, partial, manifest, progress)
            if manifest.network != network_id(genesis).hex():
                wanted = network_id(genesis).hex()
                raise LocalFault(NodeCode.STORE_OTHER_NETWORK, str(folder), found=manifest.network, wanted=wanted)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        _sync(partial)
        partial.replace(target)
        sync_folder(target.parent)
    return manifest


def not_proven(manifest: Manifest) -> tuple[str, ...]:
    """What stays the word of who made the folder, of a backup that passes every check."""
    joined = (
        f"that height {manifest.first_height} and its validators are this network's: the blocks begin above genesis, "
        "and no block below names them"
    )
    return (
        "that the validator sets were in force: sets that have retired can certify other blocks",
        "receipts, saved states and the node's notes, which no certificate covers: a node compares a saved state with "
        "its header when it starts, and receipts with nothing; `crossclear replay` makes them anew from the blocks",
        *((joined,) if manifest.first_height > 1 else ()),
    )


def _copy(source: Path, target: Path) -> None:
    """A new file of mode 0600. Raises LocalFault BAD_BACKUP."""
    _check_ordinary(source)
    target.unlink(missing_ok=True)
    target.touch(mode=0o600)
    shutil.copyfile(source, target)


def _check(folder: Path, stored: Path, manifest: Manifest, progress: Progress) -> None:
    """`stored`: where the store is that is checked. Raises LocalFault BAD_BACKUP."""
    _check_ordinary(stored)
    _check_ordinary(folder / GENESIS)
    stated = (folder / GENESIS).read_bytes()
    for name, digest in ((STORE, _digest(stored)), (GENESIS, hashlib.sha256(stated).hexdigest())):
        if digest != manifest.files.get(name):
            raise _bad(folder / name, why="its digest is not that of backup.json")
    try:
        genesis = checked_genesis(stated)
        if network_id(genesis).hex() != manifest.network:
            raise _bad(folder / GENESIS, network=network_id(genesis).hex(), stated=manifest.network)
        check_tables(stored)
        with FrozenStore(stored, network_id(genesis)) as store:
            _check_blocks(folder, store, genesis, manifest, progress)
    except LocalFault as fault:
        if fault.code is NodeCode.BAD_BACKUP:
            raise
        raise _bad(folder, why=str(fault)) from fault
    except (CrossclearError, msgspec.MsgspecError, ValueError) as error:
        raise _bad(folder, why=str(error)) from error


def _check_ordinary(path: Path) -> None:
    if path.is_symlink() or not path.is_file():
        raise _bad(path, why="missing")


def _check_blocks(folder: Path, store: Store, genesis: Genesis, manifest: Manifest, progress: Progress) -> None:
    if (store.first_height(), store.height()) != (manifest.first_height, manifest.height):
        raise _bad(folder / STORE, first=store.first_height(), height=store.height())
    if store.package() is not None or any(found > manifest.height for found in store.snapshot_heights()):
        raise _bad(folder / STORE, why="a package, or a state above its blocks")
    blocks, below = StoredBlocks(store), None
    for height in range(manifest.first_height, manifest.height + 1):
        committed = load_committed(blocks, height)
        if committed is None:
            raise _bad(folder / STORE, height=height, why="missing")
        _check_link(folder, committed, below, genesis, height)
        check_carried(committed.block)
        header = committed.block.header
        if height == manifest.height or header.next_validators_hash != header.validators_hash:
            validators = load_set(blocks, header.validators_hash)
            if validators is None or validators.hash != header.validators_hash:
                raise _bad(folder / STORE, height=height, why="its validators are missing")
            CurveLightVerifier().verify_certificate(committed.certificate, validators, network_id(genesis))
        below = committed
        progress(height, manifest.height)
    if below is None or below.block.header.hash.hex() != manifest.header_hash:
        raise _bad(folder / STORE, height=manifest.height, why="another block")


def _check_link(
    folder: Path, committed: CommittedBlock, below: CommittedBlock | None, genesis: Genesis, height: int
) -> None:
    header, certificate = committed.block.header, committed.certificate
    network = network_id(genesis)
    if (header.height, header.network) != (height, network):
        raise _bad(folder / STORE, height=height, why="another height or network")
    if not is_final(certificate) or (certificate.height, certificate.value) != (height, header.hash):
        raise _bad(folder / STORE, height=height, why="its certificate is of another block")
    if below is not None:
        parent = below.block.header
        linked = (parent.hash, parent.next_validators_hash) == (header.parent, header.validators_hash)
    else:
        linked = height > 1 or (network, genesis.validators.hash) == (header.parent, header.validators_hash)
    if not linked:
        raise _bad(folder / STORE, height=height, why="it does not follow the block below")


def _read_manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    try:
        with path.open("rb") as file:
            manifest = read_json(file.read(_MANIFEST_BYTES_MAX), Manifest)
    except OSError as error:
        raise _bad(path, why=error.strerror or "unreadable") from None
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise _bad(path, why=str(error)) from None
    if manifest.format != FORMAT:
        raise _bad(path, format=manifest.format, wanted=FORMAT)
    return manifest


def _bad(path: Path, **values: str | int) -> LocalFault:
    return LocalFault(NodeCode.BAD_BACKUP, str(path), **values)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
