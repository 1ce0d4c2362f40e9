"""Certified headers and the store of a light client, as data and as text."""

from typing import Any

from consensus.light_client import LightBlock
from member.light.store import LightStore


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
