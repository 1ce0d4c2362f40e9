"""`SurfaceService`: keeps the own surfaces fresh, and gives them to vote extensions.

Rule: `reports` never blocks. A fit runs in one worker thread of its own, so it delays no vote and no price. Validators
agree on the expiries that the network lists, so reports are given at these. The state keeps a report until it is too
old, so each is offered to some votes and then left out, until there is a newer one.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import structlog
import trio

from clearing.base.codec import encode
from clearing.base.errors import CrossclearError, RemoteFault
from clearing.schema.blocks.block import SURFACES_BYTES_MAX, SURFACES_MAX, SurfaceReport, VoteExtension, check_extension
from node.oracle.surfaces.listed import at_listed
from node.oracle.surfaces.surface_source import SurfaceSource, SurfaceStanding

OFFERS = 8
"""Votes in a row that contain the same report."""
READ_MS = 500
"""How often the source is asked; a surface is fitted each `interval_ms` of its own."""

log = structlog.get_logger(__name__)


class SurfaceService:
    """Owns a source."""

    def __init__(self, source: SurfaceSource, clock_ms: Callable[[], int], read_ms: int = READ_MS) -> None:
        self._source, self._clock_ms, self._read_ms = source, clock_ms, read_ms
        self._thread = trio.CapacityLimiter(1)
        self._offers: dict[int, int] = {}
        self._at_listed: dict[int, tuple[tuple[SurfaceReport, tuple[int, ...]], SurfaceReport | None]] = {}
        self.standings: tuple[SurfaceStanding, ...] = ()
        """Of all surfaces, as last read."""
        self.failures = 0

    async def run(self, changed: Callable[[], None]) -> None:
        """Read the source for ever; `changed` is called when there is a new report."""
        while True:
            now = self._clock_ms()
            try:
                # A fit that hangs is left behind when the node stops.
                standings = await trio.to_thread.run_sync(
                    self._source.read,
                    now,
                    limiter=self._thread,
                    abandon_on_cancel=True,  # type: ignore[call-arg]  # the stubs know its old name
                )
            except (CrossclearError, OSError, ArithmeticError, LookupError, ValueError, np.linalg.LinAlgError) as error:
                self.failures += 1
                log.warning("surfaces not read", error=str(error))
                await trio.sleep(1)
                continue
            if self.take(standings):
                changed()
            await trio.sleep(self._read_ms / 1000)

    def take(self, standings: tuple[SurfaceStanding, ...]) -> bool:
        """From here on these; whether a report among them is new."""
        known = {each.report for each in self.standings}
        new = [each.report.group for each in standings if each.report is not None and each.report not in known]
        self.standings = standings
        self._offers.update(dict.fromkeys(new, OFFERS))
        return bool(new)

    def reports(self, listed: Callable[[], Mapping[int, tuple[int, ...]]]) -> tuple[SurfaceReport, ...]:
        """For one vote: fresh reports at the expiries `listed` of each group, ordered by group.

        Those come first that were offered least. A group without a listed expiry is left out. `listed` is only called
        when there is something to report.
        """
        now = self._clock_ms()
        fresh = [report for each in self.standings if (report := each.fresh(now)) is not None]
        due = [report for report in fresh if self._offers.get(report.group, 0) > 0]
        if not due:
            return ()
        expiries = listed()
        found = (self._listed(report, expiries.get(report.group, ()), now) for report in due)
        waiting = [report for report in found if report is not None]
        chosen: list[SurfaceReport] = []
        for report in sorted(waiting, key=lambda report: (-self._offers[report.group], report.group)):
            if len(chosen) < SURFACES_MAX and encoded_size([*chosen, report]) <= SURFACES_BYTES_MAX:
                chosen.append(report)
                self._offers[report.group] -= 1
        return tuple(sorted(chosen, key=lambda report: report.group))

    def _listed(self, report: SurfaceReport, listed: tuple[int, ...], now_ms: int) -> SurfaceReport | None:
        """At these expiries: computed once for a report, which takes some hundred microseconds."""
        known = self._at_listed.get(report.group)
        if known is None or known[0] != (report, listed):
            found = at_listed(report, listed, now_ms)
            known = (report, listed), found if found is not None and _fits(found) else None
            self._at_listed[report.group] = known
        return known[1]


def encoded_size(reports: Sequence[SurfaceReport]) -> int:
    """Bytes that these take in an extension; 0 for none, whose extension has no field for them."""
    return len(encode(tuple(reports))) if reports else 0


def _fits(report: SurfaceReport) -> bool:
    """Whether it is of the form of a vote extension. One that is not would make the whole extension invalid."""
    try:
        check_extension(VoteExtension(surfaces=(report,)))
    except RemoteFault as fault:
        log.warning("surface out of range", group=report.group, fault=str(fault))
        return False
    return True
