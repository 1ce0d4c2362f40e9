"""What a node answers about itself and the network, as text: status, certified headers, the default fund."""

from collections.abc import Sequence
from typing import Any

from consensus.light_client import LightBlock
from member.api.proofs import FundView
from member.api.state import PeerView
from member.client.ask import NodeStatus
from member.light.store import LightStore
from member.printing.pace import bar
from proofs.verify.verdict import printable


def header_fields(block: LightBlock) -> dict[str, Any]:
    """What identifies a verified height."""
    header = block.header
    return {
        "height": header.height,
        "hash": header.hash.hex(),
        "time_ms": header.time_ms,
        "state_root": header.state_root.hex(),
        "validators_hash": header.validators_hash.hex(),
    }


def header_line(block: LightBlock) -> str:
    """A verified height in one line."""
    return f"height {block.header.height} hash {block.header.hash.hex()} state {block.header.state_root.hex()}"


def store_description(store: LightStore) -> tuple[dict[str, Any], str]:
    """What a store trusts, as data and as text."""
    network, lowest, newest = store.network, store.lowest(), store.newest()
    data = {
        "network": network.hex() if network else "",
        "heights": len(store.heights()),
        "lowest": header_fields(lowest) if lowest else None,
        "newest": header_fields(newest) if newest else None,
    }
    lines = [f"network {data['network']}", f"heights {data['heights']}"]
    lines += [f"{name:<7} {header_line(block)}" for name, block in (("lowest", lowest), ("newest", newest)) if block]
    return data, "\n".join(lines)


def status_text(status: NodeStatus) -> str:
    """Height, each check of readiness, each peer, and the verdict."""
    state, readiness = status.state, status.readiness
    lines = [] if state is None else [f"height {state.height}, epoch {state.epoch}, state root {state.state_root}"]
    lines += [f"{'ok  ' if check.ok else 'FAIL'} {check.name:<20} {check.detail}" for check in readiness.checks]
    lines += peer_lines(status.peers)
    if state is not None and state.proving is not None:
        lines.append(f"proving an epoch {bar(state.proving.done, state.proving.total, state.proving.seconds_left)}")
    return "\n".join([*lines, "ready" if readiness.ready else "NOT READY"])


def peer_lines(peers: Sequence[PeerView]) -> list[str]:
    """A line for each peer: whether it is connected, its key, role, score, ban and last fault."""
    return [_peer_line(peer) for peer in peers]


def _peer_line(peer: PeerView) -> str:
    connected = f"{peer.rtt_ms} ms" if peer.connected else "not connected"
    line = f"{'ok  ' if peer.connected else '-   '} peer {peer.key[:16]} {peer.role:<10} score {peer.score:>3}"
    line += f"  {connected}"
    if peer.banned_ms:
        line += f", banned for {peer.banned_ms / 1000:.0f} s"
    return line + (f"; last fault: {peer.last_fault}" if peer.last_fault else "")


def fund_lines(view: FundView) -> str:
    """The fund as text: how large it has to be and why, then a line for each member."""
    if not view.cash_group:
        return "no default fund: members contribute to none here"
    lines = [
        f"default fund at height {view.height}: {view.total_micros} micros of cash group {view.cash_group}, "
        f"target {view.target_micros}, sized after epoch {view.epoch} in block {view.sized_at} by {view.sizing}",
        f"the house bears {view.house_micros} before members do; each member at least {view.minimum_micros}",
    ]
    lines += [
        f"  {printable(scenario.name):<24} cover two {scenario.cover_two_micros}, largest or next two "
        f"{scenario.largest_or_next_two_micros}"
        for scenario in view.scenarios
    ]
    lines.append(f"{'member':>8} {'has':>20} {'has to have':>20} {'margin':>20}  standing")
    for part in view.parts:
        lines.append(
            f"{part.member:>8} {part.micros:>20} {part.required_micros:>20} {part.exposure_micros:>20}  "
            + ", ".join(
                [
                    printable(part.status),
                    *([f"called for {part.called_micros} by height {part.deadline}"] if part.deadline else []),
                    *(["a deadline has passed"] if part.lapsed else []),
                    *([f"paid back what is beyond at height {part.returned_at}"] if part.returned_at else []),
                ]
            )
        )
    return "\n".join(lines)
