"""The recorded block logs in `tests/vectors/clearing`; `record.py` there states their layout."""

import lzma
import struct
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "vectors" / "clearing"
BLOCK_BYTES_MAX = 1 << 24


def frames(name: str, folder: Path = FOLDER) -> list[bytes]:
    """The frames of a log."""
    data, at, read = lzma.decompress((folder / f"{name}.log.xz").read_bytes()), 0, []
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        read.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    return read
