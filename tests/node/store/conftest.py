"""What tests of the services share."""

from tests.kit.node.recorded import recorded

__all__ = ["recorded"]
