"""The command line, for all tests of models and backtests."""

from tests.kit.command_line import cli

__all__ = ["cli"]
