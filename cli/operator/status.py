"""`crossclear status`: what a running node says of itself and of its peers, faults first seen."""

import time
from collections.abc import Sequence

import click

from clearing.base.errors import LocalFault
from cli.output import ExitCode, output_option, show
from member.api.state import PeerView
from member.codes import NodeCode


def peer_lines(peers: Sequence[PeerView]) -> list[str]:
    """One line a peer: whether it is connected, its key, role, score, ban and last fault."""
    return [_line(peer) for peer in peers]


def _line(peer: PeerView) -> str:
    connected = f"{peer.rtt_ms} ms" if peer.connected else "not connected"
    told = f"{'ok  ' if peer.connected else '-   '} peer {peer.key[:16]} {peer.role:<10} score {peer.score:>3}"
    told += f"  {connected}"
    if peer.banned_ms:
        told += f", banned for {peer.banned_ms / 1000:.0f} s"
    return told + (f"; last fault: {peer.last_fault}" if peer.last_fault else "")


_TIMEOUT_S = 5.0

_WATCH_S = 2.0


@click.command()
@click.option("--url", default="http://127.0.0.1:26680", show_default=True, help="The node's API.")
@click.option("--watch", is_flag=True, help="Repeat every two seconds, until Ctrl-C.")
@output_option
def status(url: str, watch: bool, output: str) -> int:
    """Height, epoch, readiness, and each peer with its score.

    Exits with 4 when no node answers, with 5 when it is not ready.
    """
    while True:
        ready = _once(url, output)
        if not watch:
            return ExitCode.OK if ready else ExitCode.NOT_READY
        time.sleep(_WATCH_S)


def _once(url: str, output: str) -> bool:
    import httpx
    import msgspec

    from clearing.base.plain_json import read_json
    from cli.operator.status import peer_lines
    from member.api.state import PeersView, Readiness, StateView

    try:
        with httpx.Client(base_url=url, timeout=_TIMEOUT_S, trust_env=False) as client:
            readiness = read_json(client.get("/readyz").content, Readiness)
            answer = client.get("/v1/state")
            told = client.get("/v1/peers")
        state = read_json(answer.content, StateView) if answer.status_code == 200 else None
        # A node that is asked too often tells a refusal here; its height and readiness are still worth showing.
        peers = read_json(told.content, PeersView).peers if told.status_code == 200 else ()
    except (httpx.HTTPError, httpx.InvalidURL, msgspec.DecodeError) as error:
        raise LocalFault(NodeCode.NODE_UNREACHABLE, url, why=str(error)[:200]) from None
    lines = [f"{'ok  ' if check.ok else 'FAIL'} {check.name:<20} {check.detail}" for check in readiness.checks]
    if state is not None:
        lines.insert(0, f"height {state.height}, epoch {state.epoch}, state root {state.state_root}")
    lines += peer_lines(peers)
    lines.append("ready" if readiness.ready else "NOT READY")
    show({"state": state, "readiness": readiness, "peers": peers}, "\n".join(lines), output)
    return readiness.ready
