"""`Violation`: something that must never be, raised by whatever audits a story."""


class Violation(Exception):
    """Something that must never be."""


def require(holds: bool, what: str, **values: object) -> None:
    """Raises Violation, naming the values, where it does not hold."""
    if not holds:
        raise Violation(f"{what}: " + ", ".join(f"{name}={value}" for name, value in values.items()))
