"""Real chains for tests of what talks to them."""

from tests.kit.chains import anvil, anvil_binary

__all__ = ["anvil", "anvil_binary"]
