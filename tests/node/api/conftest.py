"""Fixtures of the API's tests."""

from tests.kit.chains import anvil, anvil_binary

__all__ = ["anvil", "anvil_binary"]
