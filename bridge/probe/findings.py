"""What an examination found: one line a check, how grave it is, and what to do about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum


class Gravity(IntEnum):
    """How grave a finding is, in order."""

    OK = 0
    WARNING = 1
    """The node works, but slower or with less in reserve."""
    FAULT = 2
    """The node cannot rely on this endpoint, or on this chain."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check. `found` may quote the endpoint; `advice` is empty where nothing is to be done."""

    check: str
    gravity: Gravity
    found: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Examined:
    """All findings on one endpoint, or on the endpoints of a chain together. `final`: its newest final block."""

    name: str
    findings: tuple[Finding, ...]
    final: int | None = None


def worst(examined: Sequence[Examined]) -> Gravity:
    """The gravest finding of all."""
    return max((finding.gravity for each in examined for finding in each.findings), default=Gravity.OK)


def ok(check: str, found: str) -> Finding:
    """Nothing is to be done."""
    return Finding(check, Gravity.OK, found)


def warning(check: str, found: str, advice: str) -> Finding:
    """The node works without it."""
    return Finding(check, Gravity.WARNING, found, advice)


def fault(check: str, found: str, advice: str) -> Finding:
    """The node does not work with it."""
    return Finding(check, Gravity.FAULT, found, advice)
