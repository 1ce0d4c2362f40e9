"""Options for how a verdict is reached: how old a package may be, and whether checks may stay open."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cli.options import NUMBER, together

if TYPE_CHECKING:
    from member.verifying.onchain import AccountReport, EpochReport
    from member.verifying.package import TrustAnchor, VerificationReport

T = TypeVar("T")
Report = TypeVar("Report", "VerificationReport", "EpochReport", "AccountReport")
_UNIT_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def now_ms() -> int:
    """The clock of this machine."""
    return time.time_ns() // 1_000_000


class Age(click.ParamType[int | None]):
    """A length of time such as `36h` in milliseconds; `any` is None."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        """Raises click.BadParameter."""
        found = re.fullmatch(r"([0-9]{1,6})([smhd])", value)
        if value == "any":
            return None
        if found is None:
            self.fail(f"expected a number with s, m, h or d, or `any`, got {value!r}", param, ctx)
        return int(found[1]) * _UNIT_MS[found[2]]


class Moment(click.ParamType[int]):
    """A time such as `2026-01-31T12:00:00Z` in milliseconds of Unix time."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Raises click.BadParameter."""
        if isinstance(value, int):
            return value
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            found = None
        if found is None or found.tzinfo is None or found.timestamp() < 0:
            self.fail(f"expected a time such as 2026-01-31T12:00:00Z, got {value!r}", param, ctx)
        return round(found.timestamp() * 1000)


@dataclass(frozen=True)
class WantedVerdict:
    """What a caller asks of a verdict, as the options state it."""

    max_age: int | None
    min_height: int
    at: int | None
    set_known_at: int | None
    strict: bool | None
    allow_open: tuple[str, ...]

    def fresh(self, anchor: "TrustAnchor") -> "TrustAnchor":
        """The anchor with a time and an age; a genesis' set was known to be in force at its time."""
        from proofs.verify.freshness import Freshness

        at = self.at if self.at is not None else now_ms()
        known = self.set_known_at if self.set_known_at is not None else anchor.set_known_ms
        return replace(anchor, freshness=Freshness(at, self.max_age, self.min_height, known))

    def judged(self, report: Report, output: str) -> Report:
        """The report with what stayed open, which fails it where nothing may: by default for machines."""
        strict = output == "json" if self.strict is None else self.strict
        return report.judged(strict=strict, allowed=self.allow_open)


_AGE = (
    click.option(
        "--max-age", type=Age(), default="7d", show_default=True, help="Of header, prices and custody: 36h, 7d, any."
    ),
    click.option("--min-height", type=NUMBER, default=0, show_default=True, help="Of the snapshot."),
)
_SET = (
    click.option("--at", type=Moment(), help="Judge as at this time: 2026-01-31T12:00:00Z. Default: now."),
    click.option(
        "--set-known-at",
        type=Moment(),
        help="When the trusted validators were last known to be in force. Default: of a genesis, its time.",
    ),
)
_STRICTNESS = (
    click.option(
        "--strict/--no-strict",
        default=None,
        help="Fail (exit 6) where a check stays open. Default: with --output json.",
    ),
    click.option("--allow-open", multiple=True, metavar="CHECK", help="With --strict: this check may stay open."),
)


def verdict_options(command: Callable[..., T]) -> Callable[..., T]:
    """Age and strictness as one parameter `wanted`."""

    @wraps(command)
    def with_wanted(
        max_age: int | None,
        min_height: int,
        at: int | None,
        set_known_at: int | None,
        strict: bool | None,
        allow_open: tuple[str, ...],
        **given: Any,
    ) -> T:
        return command(wanted=WantedVerdict(max_age, min_height, at, set_known_at, strict, allow_open), **given)

    options: Callable[[Callable[..., T]], Callable[..., T]] = together(*_AGE, *_SET, *_STRICTNESS)
    return options(with_wanted)


def time_options(*, age: bool, strictness: bool = False) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """When a file is judged, as one parameter `wanted`. `age`: and how old it may be; without it any age is good, and
    only the trusting period of the set counts. `strictness`: and whether checks may stay open."""

    def decorate(command: Callable[..., T]) -> Callable[..., T]:
        @wraps(command)
        def with_wanted(
            at: int | None, set_known_at: int | None, max_age: int | None = None, min_height: int = 0, **given: Any
        ) -> T:
            strict, allowed = (given.pop("strict"), given.pop("allow_open")) if strictness else (None, ())
            return command(wanted=WantedVerdict(max_age, min_height, at, set_known_at, strict, allowed), **given)

        stated = (*(_AGE if age else ()), *_SET, *(_STRICTNESS if strictness else ()))
        options: Callable[[Callable[..., T]], Callable[..., T]] = together(*stated)
        return options(with_wanted)

    return decorate
