"""The pre-shared key: 32 bytes that every node of a network has, so that strangers cannot even begin a handshake.

Rule: a secret file of mode 0600 with 64 hexadecimal digits on one line. It replaces nothing: peers still prove their
keys, and the allow-list still stands. To change it, stop all nodes: one that has another key reaches nobody.
"""

import re
import secrets
from pathlib import Path

from clearing.base.errors import LocalFault
from node.codes import NodeCode
from node.keys.files import read_secret, write_secret

_FORM = re.compile(rb"([0-9a-fA-F]{64})\r?\n?")


def read_preshared_key(path: Path) -> bytes:
    """The 32 bytes. Raises LocalFault KEY_MISSING, KEY_PERMISSIONS, KEY_FORMAT."""
    found = _FORM.fullmatch(read_secret(path))
    if found is None:
        raise LocalFault(NodeCode.KEY_FORMAT, str(path), why="64 hexadecimal digits on one line")
    return bytes.fromhex(found[1].decode())


def new_preshared_key() -> bytes:
    """32 bytes of the operating system's randomness."""
    return secrets.token_bytes(32)


def write_preshared_key(path: Path, key: bytes) -> None:
    """Write it where none is yet, as `read_preshared_key` reads it. Raises LocalFault KEY_EXISTS, KEY_PERMISSIONS."""
    write_secret(path, key.hex().encode() + b"\n")
