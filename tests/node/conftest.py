"""What tests of a node share."""

from tests.kit.command_line import cli
from tests.kit.node.recorded import recorded

__all__ = ["cli", "recorded"]
