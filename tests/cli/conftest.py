"""The command line for its tests, and real chains for commands that need one."""

from tests.kit.chains import anvil, anvil_binary
from tests.kit.command_line import cli

__all__ = ["anvil", "anvil_binary", "cli"]
