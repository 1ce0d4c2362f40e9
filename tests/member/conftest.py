"""The command line, and a package to verify, for all tests of what a member does."""

from tests.kit.command_line import cli
from tests.kit.member.packages import at_the_markets_time, package

__all__ = ["at_the_markets_time", "cli", "package"]
