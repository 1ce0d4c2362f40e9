"""Whether the peers in a node's settings can be reached: a TCP connection to each, and nothing said over it.

Rule: it asks for no identity. That the right node answers is found by the node itself.
"""

import trio

from bridge.probe.findings import Examined, Finding, fault, ok, warning
from node.config import NodeConfig, PeerConfig

SECONDS = 5.0


async def examine_peers(config: NodeConfig) -> Examined:
    """One finding a peer. When none can be reached each is a fault, else each that cannot is a warning."""
    reached: dict[str, str] = {}

    async def reach(peer: PeerConfig) -> None:
        reached[peer.key] = await _connect(peer)

    async with trio.open_nursery() as nursery:
        for peer in config.p2p.peers:
            nursery.start_soon(reach, peer)
    alone = bool(reached) and all(reached.values())
    return Examined("peers", tuple(_judge(peer, reached[peer.key], alone=alone) for peer in config.p2p.peers))


def _judge(peer: PeerConfig, why: str, *, alone: bool) -> Finding:
    check = f"{peer.key[:10]} at {peer.host}:{peer.port}"
    if not why:
        return ok(check, "reached")
    advice = "Compare host and port with those of the peer, and let both firewalls pass them; is its node running?"
    return fault(check, why, advice) if alone else warning(check, why, advice)


async def _connect(peer: PeerConfig) -> str:
    """Why it cannot be reached; empty when it can."""
    try:
        with trio.fail_after(SECONDS):
            stream = await trio.open_tcp_stream(peer.host, peer.port)
    except trio.TooSlowError:
        return f"no answer in {SECONDS:.0f} s"
    except OSError as error:
        return (error.strerror or str(error))[:120]
    await stream.aclose()
    return ""
