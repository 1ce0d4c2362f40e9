"""What a seed can fail with."""


class Violation(AssertionError):
    """An invariant is broken."""


class NoProgress(Violation):
    """All are up and connected, and nothing is decided."""
