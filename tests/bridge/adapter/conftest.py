"""Real chains for the adapter's tests."""

from tests.kit.bridge.watched_chain import anvil, anvil_binary, chain, endpoint, liar, watch, within

__all__ = ["anvil", "anvil_binary", "chain", "endpoint", "liar", "watch", "within"]
