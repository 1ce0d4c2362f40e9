"""What every end-to-end test may use."""

from tests.kit.chains import anvil_binary

__all__ = ["anvil_binary"]
