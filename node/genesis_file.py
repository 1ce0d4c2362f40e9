"""The network's genesis.json, read and checked: the one way for every program that starts from it."""

from pathlib import Path

from clearing.base.errors import LocalFault
from clearing.genesis.checks import check_genesis
from clearing.genesis.json import genesis_from_json
from clearing.schema.terms.genesis import Genesis
from member.codes import NodeCode


def read_genesis(path: Path, at: str = "node.genesis") -> Genesis:
    """Read and check genesis; `at`: what names the path. Raises LocalFault CONFIG_MISSING, and as the checks."""
    return read_genesis_file(path, at)[1]


def read_genesis_file(path: Path, at: str = "node.genesis") -> tuple[bytes, Genesis]:
    """As `read_genesis`, with the very bytes that were checked, for who keeps them."""
    if not path.is_file():
        raise LocalFault(NodeCode.CONFIG_MISSING, at, path=str(path))
    data = path.read_bytes()
    return data, checked_genesis(data)


def checked_genesis(data: bytes) -> Genesis:
    """Decode and check what a genesis.json contains. Raises as the checks."""
    genesis = genesis_from_json(data)
    check_genesis(genesis)
    return genesis
