"""Halted chains of a stopped node: which they are, and their release by the operator.

Rule: only a stopped node is changed, because a running one would write its own cursor over the release.
"""

from dataclasses import dataclass

from bridge.watch.cursor import FileFactStore, Halt
from bridge.watch.releases import Release, release, releases_of
from node.config import NodeConfig
from node.signer.sign_state import SIGN_STATE, locked_sign_state


@dataclass(frozen=True, slots=True)
class ChainStanding:
    """A configured chain: how far it was scanned, its halt, and the releases so far."""

    chain_id: int
    name: str
    scanned_number: int
    halt: Halt | None
    releases: tuple[Release, ...]


def chain_standings(config: NodeConfig) -> tuple[ChainStanding, ...]:
    """Every configured chain, as the disk has it; the node may run. Raises LocalFault BAD_CURSOR, BAD_RELEASES."""
    folder = config.path("bridge")
    store = FileFactStore(folder)
    found = []
    for chain in config.chains:
        cursor = store.load(chain.chain_id)
        number, halt = (cursor.number, cursor.halt) if cursor is not None else (0, None)
        found.append(ChainStanding(chain.chain_id, chain.name, number, halt, releases_of(folder, chain.chain_id)))
    return tuple(found)


def release_chain(config: NodeConfig, chain_id: int, code: int, reason: str, now_ms: int, *, rescan: bool) -> Release:
    """Release a chain of a stopped node.

    Raises LocalFault DOUBLE_SIGN while the node runs, and those of `bridge.watch.releases.release`.
    """
    with locked_sign_state(config.path(SIGN_STATE)):
        return release(config.path("bridge"), chain_id, code, reason, now_ms, rescan=rescan)
