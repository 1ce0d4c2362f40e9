"""The client starts without the network's code, without an event loop and without an HTTP library."""

import subprocess
import sys
from pathlib import Path

import pytest

from crossclear_client import errors
from member.codes import NodeCode

CLIENT = Path(__file__).parents[2] / "client"
OURS = ("bridge", "clearing", "cli", "consensus", "devnet", "lab", "member", "node", "proofs")
LATER = ("trio", "asyncio", "httpx", "httpcore", "numpy", "web3", "libp2p")


def test_nothing_heavy_is_imported_at_the_start() -> None:
    """In a process that sees the client's folder alone."""
    program = (
        f"import sys; sys.path.insert(0, {str(CLIENT)!r}); import crossclear_client\n"
        f"print([name for name in {OURS + LATER!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("code", "same"),
    [
        (errors.UNREACHABLE, NodeCode.NODE_UNREACHABLE),
        (errors.BAD_ANSWER, NodeCode.NODE_ANSWER),
        (errors.BAD_FIELD, NodeCode.CLIENT_FIELD),
        (errors.NO_FATE, NodeCode.CLIENT_NO_FATE),
        (errors.STREAM_LOST, NodeCode.CLIENT_STREAM_LOST),
        (errors.NO_KEY, NodeCode.CLIENT_NO_KEY),
    ],
)
def test_the_clients_codes_are_the_networks(code: str, same: NodeCode) -> None:
    assert code == same.label
