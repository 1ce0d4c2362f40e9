"""Real chains for the adapter's tests."""

from tests.kit.bridge.watched_chain import chain, endpoint, liar, watch, watched
from tests.kit.chains import anvil, anvil_binary

__all__ = ["anvil", "anvil_binary", "chain", "endpoint", "liar", "watch", "watched"]
