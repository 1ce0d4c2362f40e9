"""A recorded network, and peers that serve it."""

from tests.kit.node.state_sync import origin, world

__all__ = ["origin", "world"]
