"""`Violation`: something that must never be, raised by whatever looks at a simulation."""


class Violation(AssertionError):
    """An invariant is broken."""


class NoProgress(Violation):
    """All are up and connected, and nothing is decided."""


def require(holds: bool, what: str, **values: object) -> None:
    """Raises Violation, naming the values, where it does not hold."""
    if not holds:
        raise Violation(f"{what}: " + ", ".join(f"{name}={value}" for name, value in values.items()))
