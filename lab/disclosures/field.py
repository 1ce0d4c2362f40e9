"""`Field`: one field of the disclosure, with the unit and the period that houses report it in.

Rule: numbers are the common references of the published files; `docs/explanation/disclosure.md` names them. It must not
know how a figure is computed.
"""

from dataclasses import dataclass
from enum import StrEnum


class Unit(StrEnum):
    """What houses state a field in."""

    CURRENCY = "currency"
    PERCENTAGE = "percentage"
    DAYS = "days"
    COUNT = "count"
    DATE = "date"
    TEXT = "text"


class Period(StrEnum):
    """What time houses report a field for."""

    QUARTER_END = "quarter end"
    QUARTER = "quarter"
    YEAR = "twelve months"
    CHANGE = "when it changes"
    DEFAULT = "after a default"


@dataclass(frozen=True, slots=True)
class Field:
    """One field."""

    number: str
    title: str
    unit: Unit
    period: Period
    definition: str
    """How its figures are computed in this network; empty where it does not apply."""
    reason: str = ""
    """Why it does not apply."""


ASSET_KINDS: tuple[tuple[str, str], ...] = (
    ("Cash at the central bank of the currency", "Vaults have tokens; nobody has money at a central bank."),
    ("Cash at other central banks", "Vaults have tokens; nobody has money at a central bank."),
    ("Secured cash at commercial banks", "Vaults have tokens; nobody has money at a bank."),
    ("Unsecured cash at commercial banks", "Vaults have tokens; nobody has money at a bank."),
    ("Domestic government bonds", "No bonds are accepted."),
    ("Other government bonds", "No bonds are accepted."),
    ("Agency bonds", "No bonds are accepted."),
    ("State and municipal bonds", "No bonds are accepted."),
    ("Corporate bonds", "No bonds are accepted."),
    ("Equities", "No shares are accepted."),
    ("Gold", "No gold is accepted; a token on gold is a token."),
    ("Other commodities", "No commodities are accepted."),
    ("Fund units", "No fund units are accepted."),
)
"""The kinds of asset of 4.3 and 6.2 before "other" and "total", in their order: name, and why there is nothing."""
