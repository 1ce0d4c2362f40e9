"""The command line for its tests."""

from tests.kit.command_line import cli

__all__ = ["cli"]
