"""What a seed can fail with."""

from tests.sim.violation import Violation, require


class NoProgress(Violation):
    """All are up and connected, and nothing is decided."""


__all__ = ["NoProgress", "Violation", "require"]
