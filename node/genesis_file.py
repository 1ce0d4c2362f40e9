"""The network's genesis.json, read and checked: the one way for every program that starts from it."""

from pathlib import Path

from clearing.base.errors import LocalFault
from clearing.genesis.checks import check_genesis
from clearing.genesis.json import genesis_from_json
from clearing.schema.terms.genesis import Genesis
from member.codes import NodeCode


def read_genesis(path: Path, at: str = "node.genesis") -> Genesis:
    """Read and check genesis; `at`: what names the path. Raises LocalFault CONFIG_MISSING, and as the checks."""
    if not path.is_file():
        raise LocalFault(NodeCode.CONFIG_MISSING, at, path=str(path))
    genesis = genesis_from_json(path.read_bytes())
    check_genesis(genesis)
    return genesis
