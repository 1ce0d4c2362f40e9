"""The command line, and a package to verify, for all tests of what a member does."""

from tests.kit.command_line import cli
from tests.kit.member.packages import package

__all__ = ["cli", "package"]
