"""`Supervisor`: runs the services around consensus, and starts a failed one again.

Rule: the failure of a service ends no node. It is logged, counted and shown in readiness. The service starts again
after a pause that doubles with each failure in a row. A `Bug` is a broken invariant: it ends the node, because nothing
may be signed after it. Consensus, the persister and the network are not supervised: without them a node must not go on.
"""

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ParamSpec, TypeVar

import structlog
import trio

from clearing.base.errors import bugs_in
from member.api.state import Check

PAUSE_SECONDS_MIN = 0.5
PAUSE_SECONDS_MAX = 60.0
STEADY_SECONDS = 60.0
"""A service that has run for so long since it failed is well again."""
CALL_SECONDS = 600.0
"""How long the failure of a call is shown: what the call should have done stays undone."""
FAULT_CHARS_MAX = 200
_NEVER = -math.inf

P = ParamSpec("P")
R = TypeVar("R")
Service = Callable[[], Awaitable[object]]
Keep = Callable[[str, Service], Awaitable[None]]
"""Runs a service under a name until it ends by itself: `Supervisor.keep`, or `run_plainly` where nobody supervises."""

log = structlog.get_logger(__name__)


async def run_plainly(name: str, service: Service) -> None:  # noqa: ARG001
    """Run a service once: its failure is its caller's."""
    await service()


@dataclass(slots=True)
class ServiceStanding:
    """What became of one service. Times are trio's, in seconds."""

    name: str
    failures: int = 0
    """Since the node started."""
    in_a_row: int = 0
    """Without a steady time in between."""
    last_fault: str = ""
    failed_at: float = _NEVER
    begun_at: float = _NEVER
    resumes_at: float = _NEVER
    """Later than now: it waits to be started again."""
    shown_seconds: float = STEADY_SECONDS
    """How long a failure is shown once the service runs again."""

    def is_waiting(self, now: float) -> bool:
        """Whether it failed and has not started again."""
        return now < self.resumes_at

    def is_well(self, now: float) -> bool:
        """Whether it runs, and has run for long enough since it failed."""
        return now - max(self.failed_at, self.resumes_at) >= self.shown_seconds


class Supervisor:
    """The services of one node, by name. It belongs to the event loop."""

    def __init__(self) -> None:
        self._standings: dict[str, ServiceStanding] = {}

    @property
    def standings(self) -> Sequence[ServiceStanding]:
        """Of all services and calls, by name."""
        return tuple(self._standings[name] for name in sorted(self._standings))

    def checks(self) -> Sequence[Check]:
        """One condition for each service that failed since the node started."""
        now = trio.current_time()
        return tuple(_check(standing, now) for standing in self.standings if standing.failures)

    async def keep(self, name: str, service: Service) -> None:
        """Run a service until it ends by itself, and again after each failure. Raises Bug."""
        standing = self._standing(name)
        while True:
            standing.begun_at = trio.current_time()
            try:
                await service()
                return
            except Exception as error:
                if next(bugs_in(error), None) is not None:
                    raise
                self._note(standing, error)
            await trio.sleep_until(standing.resumes_at)

    async def keep_started(
        self,
        name: str,
        service: Callable[..., Awaitable[object]],
        *,
        task_status: Any = trio.TASK_STATUS_IGNORED,  # the stubs of trio lack TaskStatus
    ) -> None:
        """As `keep`, for a service that reports when it has started: before that, its failure is the caller's."""
        standing, report = self._standing(name), _StartReport(task_status)
        standing.begun_at = trio.current_time()
        try:
            await service(task_status=report)
            return
        except Exception as error:
            if not report.is_started or next(bugs_in(error), None) is not None:
                raise
            self._note(standing, error)
        await trio.sleep_until(standing.resumes_at)
        await self.keep(name, partial(service, task_status=trio.TASK_STATUS_IGNORED))

    def guarded(self, name: str, call: Callable[P, R], otherwise: R) -> Callable[P, R]:
        """A call that consensus makes into a service: when it fails, it returns `otherwise`. Raises Bug."""
        standing = self._standing(name)
        standing.shown_seconds = CALL_SECONDS

        def guarded_call(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return call(*args, **kwargs)
            except Exception as error:
                if next(bugs_in(error), None) is not None:
                    raise
                self._note(standing, error, pauses=False)
                return otherwise

        return guarded_call

    def _standing(self, name: str) -> ServiceStanding:
        return self._standings.setdefault(name, ServiceStanding(name))

    def _note(self, standing: ServiceStanding, error: Exception, *, pauses: bool = True) -> None:
        now = trio.current_time()
        if now - standing.begun_at >= STEADY_SECONDS:
            standing.in_a_row = 0
        standing.failures += 1
        standing.in_a_row += 1
        standing.failed_at, standing.last_fault = now, _named(error)
        pause = min(PAUSE_SECONDS_MAX, PAUSE_SECONDS_MIN * 2 ** min(standing.in_a_row - 1, 16)) if pauses else 0.0
        standing.resumes_at = now + pause
        log.error(
            "service failed",
            service=standing.name,
            failures=standing.failures,
            again_in_s=round(pause, 1),
            fault=standing.last_fault,
            exc_info=error,
        )


class _StartReport:
    """Passes on the report of a start, and remembers it."""

    def __init__(self, task_status: Any) -> None:
        self._task_status = task_status
        self.is_started = False

    def started(self, value: Any = None) -> None:
        """As trio's own."""
        self.is_started = True
        self._task_status.started(value)


def _check(standing: ServiceStanding, now: float) -> Check:
    counted = "failed once" if standing.failures == 1 else f"failed {standing.failures} times"
    ago = f"{now - standing.failed_at:.0f} s ago"
    again = f"; starts again in {standing.resumes_at - now:.0f} s" if standing.is_waiting(now) else ""
    detail = f"{counted}, last {ago}: {standing.last_fault}{again}"
    return Check(name=f"service-{standing.name}", ok=standing.is_well(now), detail=detail)


def _named(error: BaseException) -> str:
    """The first single failure in it, with its kind; bounded, because it may contain what a peer sent."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"[:FAULT_CHARS_MAX]
