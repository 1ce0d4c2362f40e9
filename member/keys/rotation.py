"""Rotation of a validator's keys: the next ones wait beside those in use, and take their place once the set lists them.

Rule: no key is overwritten or deleted. A crash between two steps leaves each key under at least one name, and the step
is done again.
"""

from pathlib import Path

from clearing.base.errors import LocalFault
from member.codes import NodeCode
from member.durable_files import sync_folder
from member.keys.key_folder import KIND_OF, Purpose, key_path, list_keys, new_secret, read_key, write_key
from member.keys.keystore import Strength

ROTATED = (Purpose.VALIDATOR, Purpose.CHECKPOINT)
"""Keys that a validator changes and stays the same validator."""


def next_name(purpose: Purpose) -> str:
    """The name under which the next key of a purpose waits."""
    return f"{purpose.value}-next"


def has_next_key(home: Path, purpose: Purpose) -> bool:
    """Whether a next key waits."""
    return key_path(home, next_name(purpose)).exists()


def make_next_key(home: Path, purpose: Purpose, password: str, strength: Strength) -> bytes:
    """The secret of the next key, which is made unless one waits already. Raises LocalFault KEY_*."""
    kind, name = KIND_OF[purpose], next_name(purpose)
    if not has_next_key(home, purpose):
        write_key(home, name, kind, new_secret(kind), password, strength)
        sync_folder(key_path(home, name).parent)
    return read_key(home, name, kind, password, allow_weak=strength is Strength.DEVNET)


def read_next_key(home: Path, purpose: Purpose, password: str, *, allow_weak: bool = False) -> bytes | None:
    """The secret of the next key, if one waits. Raises LocalFault KEY_*."""
    if not has_next_key(home, purpose):
        return None
    return read_key(home, next_name(purpose), KIND_OF[purpose], password, allow_weak=allow_weak)


def promote_next_key(home: Path, purpose: Purpose) -> Path:
    """Put the next key in the place of the one in use, which stays as `PURPOSE-retired-…`: where that is.

    Raises LocalFault: KEY_MISSING unless both are there, KEY_EXISTS where another key has the retired one's name.
    """
    publics = {entry.name: entry.public for entry in list_keys(home)}
    current, waiting = key_path(home, purpose.value), key_path(home, next_name(purpose))
    for name, path in ((purpose.value, current), (next_name(purpose), waiting)):
        if name not in publics:
            raise LocalFault(NodeCode.KEY_MISSING, str(path))
    retired = key_path(home, f"{purpose.value}-retired-{publics[purpose.value][:16]}")
    if not retired.exists():
        retired.hardlink_to(current)
    elif not retired.samefile(current):
        raise LocalFault(NodeCode.KEY_EXISTS, str(retired))
    sync_folder(current.parent)
    waiting.replace(current)
    sync_folder(current.parent)
    return retired
