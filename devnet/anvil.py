"""Real EVM chains on loopback: `anvil` processes that end with their starter.

Rule: finality is real: with two slots an epoch, `safe` is two blocks under the head and `finalized` four. A chain keeps
its files in one folder, and no chain outlives its owner, however the owner ends.
"""

import itertools
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from clearing.base.errors import LocalFault
from devnet.codes import DevnetCode
from devnet.toolchain import anvil_path

SLOTS_IN_AN_EPOCH = 2
FINALITY_DEPTH = 2 * SLOTS_IN_AN_EPOCH
STATES_KEPT = 64
HARDFORK = "osaka"
"""Has the BLS12-381 precompiles of EIP-2537, as every fork from Prague on."""
START_SECONDS = 20
STOP_SECONDS = 5
PORT_TRIES = 5

# Standard input is a pipe from the owner. When it closes, by `stop` or by the owner's death, the chain is ended; when
# the chain ends first, so does the shell, with the chain's exit status.
_UNTIL_OWNER_ENDS = """
exec 3<&0
"$@" 3<&- </dev/null & chain=$!
{ read -r _ <&3; kill "$chain"; } 2>/dev/null & watch=$!
wait "$chain"; status=$?
kill "$watch" 2>/dev/null
wait "$watch" 2>/dev/null
exit "$status"
"""


class Anvil:
    """One running chain. All calls block: under trio, use them in worker threads."""

    def __init__(self, process: "subprocess.Popen[bytes]", chain_id: int, port: int, log: Path) -> None:
        self._process = process
        self._ids = itertools.count(1)
        # Loopback never goes through a proxy that the machine may have set.
        self._client = httpx.Client(trust_env=False, timeout=60)
        self.chain_id = chain_id
        self.port = port
        self.log = log

    @property
    def url(self) -> str:
        """Where its JSON-RPC is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def chain_pid(self) -> int:
        """Of the chain itself, which the owner's process has as its first child; 0 where the system does not say."""
        own = self._process.pid
        try:
            return int(Path(f"/proc/{own}/task/{own}/children").read_text().split()[0])
        except (OSError, IndexError):
            return 0

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process.poll() is None

    @property
    def exit_status(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def rpc(self, method: str, *parameters: Any) -> Any:
        """One call; its result. Raises LocalFault with the chain's own message, httpx.HTTPError when it has ended."""
        body = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": list(parameters)}
        answer = self._client.post(self.url, json=body).json()
        if "error" in answer:
            raise LocalFault(DevnetCode.CHAIN_TRANSACTION_FAILED, method, message=str(answer["error"]))
        return answer["result"]

    def rpc_batch(self, method: str, parameters: Sequence[Any]) -> None:
        """One call of a method for each parameter, in one request. Raises as `rpc`."""
        calls = [
            {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": [parameter]}
            for parameter in parameters
        ]
        for answer in self._client.post(self.url, json=calls).json():
            if "error" in answer:
                raise LocalFault(DevnetCode.CHAIN_TRANSACTION_FAILED, method, message=str(answer["error"]))

    def mine(self, blocks: int = 1) -> None:
        """Add blocks now."""
        self.rpc("anvil_mine", hex(blocks))

    def finalize(self) -> None:
        """Add as many blocks as make everything so far final."""
        self.mine(FINALITY_DEPTH)

    def reorg(self, depth: int) -> None:
        """Replace the newest `depth` blocks by empty ones."""
        self.rpc("anvil_reorg", depth, [])

    def fund(self, address: str, wei: int = 10**21) -> None:
        """Set an account's native balance."""
        self.rpc("anvil_setBalance", address, hex(wei))

    def stop(self) -> None:
        """End the process and wait for it. May be called twice."""
        self._client.close()
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def start_anvil(
    chain_id: int,
    folder: Path,
    *,
    block_seconds: float | None = None,
    port: int | None = None,
    hardfork: str = HARDFORK,
    network: str = "ethereum",
    first_block_s: int | None = None,
) -> Anvil:
    """Start a chain on a free port of loopback, and wait until it answers.

    `hardfork` is one of the `network` that anvil imitates, a family of chains. It mines each transaction at once,
    or every `block_seconds`. Its first block is of `first_block_s`, by default of now. Its log and files are in
    `folder`, which is made.
    Raises LocalFault CHAIN_START_FAILED, TOOLCHAIN_MISSING.
    """
    program = anvil_path()
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "anvil.log"
    for _ in range(1 if port is not None else PORT_TRIES):
        chosen = _free_port() if port is None else port
        command = [str(program), *_options(chain_id, folder, chosen, block_seconds)]
        command += ["--network", network, "--hardfork", hardfork]
        command += [] if first_block_s is None else ["--timestamp", str(first_block_s)]
        with log.open("ab") as output:
            process = subprocess.Popen(
                ["/bin/sh", "-c", _UNTIL_OWNER_ENDS, "anvil", *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is the owner's to handle
            )
        chain = Anvil(process, chain_id, chosen, log)
        if _answers(chain):
            return chain
        chain.stop()
    raise LocalFault(DevnetCode.CHAIN_START_FAILED, "anvil", chain_id=chain_id, log=str(log))


@contextmanager
def anvil_chain(chain_id: int, folder: Path, *, block_seconds: float | None = None) -> Iterator[Anvil]:
    """A chain for the time of a `with`."""
    chain = start_anvil(chain_id, folder, block_seconds=block_seconds)
    try:
        yield chain
    finally:
        chain.stop()


def _options(chain_id: int, folder: Path, port: int, block_seconds: float | None) -> list[str]:
    options = ["--host", "127.0.0.1", "--port", str(port), "--chain-id", str(chain_id), "--quiet"]
    options += ["--enable-tx-gas-limit", "--slots-in-an-epoch", str(SLOTS_IN_AN_EPOCH)]
    options += ["--prune-history", str(STATES_KEPT), "--cache-path", str(folder / "cache"), "--no-cors"]
    if block_seconds is not None:
        options += ["--block-time", str(block_seconds)]
    return options


def _answers(chain: Anvil) -> bool:
    """Whether the process became a chain with our id, rather than ending because somebody else took the port."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and chain.running:
        try:
            stated = int(chain.rpc("eth_chainId"), 16)
        except (httpx.HTTPError, ValueError):
            time.sleep(0.01)
            continue
        return stated == chain.chain_id and chain.running
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
