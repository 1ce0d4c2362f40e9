"""`EndWatch`: names what still runs when a node was asked to end and has not.

Rule: it ends nothing and speaks at growing intervals. A thread of its own looks, so that it speaks also while the event
loop stands still. Tasks are read by the event loop only; when that does not answer, the line says so, and what the main
thread does.
"""

import queue
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType

import structlog
import trio

FIRST_SECONDS = 10.0
"""After it was asked to end; then twice as long each time."""
ANSWER_SECONDS = 2.0
"""A loop that does not answer within this stands still."""
NAMED_MAX = 20

log = structlog.get_logger(__name__)


class EndWatch:
    """Of one run of the event loop. A context manager around it; `begin` when the node is asked to end."""

    def __init__(self, first_seconds: float = FIRST_SECONDS) -> None:
        self._pause = first_seconds
        self._ended = threading.Event()
        self._watch: threading.Thread | None = None

    def __enter__(self) -> "EndWatch":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._watch is not None:
            self._watch.join()

    def begin(self) -> None:
        """The node was asked to end. Call it in the event loop; only the first call counts."""
        if self._watch is None:
            token = trio.lowlevel.current_trio_token()
            self._watch = threading.Thread(target=self._look, args=(token,), name="end-watch", daemon=True)
            self._watch.start()

    def _look(self, token: trio.lowlevel.TrioToken) -> None:
        waited = 0.0
        while not self._ended.wait(self._pause):
            waited += self._pause
            self._pause *= 2
            tasks = self._tasks(token)
            log.warning(
                "still ending",
                seconds=round(waited),
                tasks=_joined(tasks) if tasks is not None else "the event loop stands still",
                threads=_joined(list(running_threads())),
            )

    def _tasks(self, token: trio.lowlevel.TrioToken) -> list[str] | None:
        """None when the event loop does not answer."""
        answers: queue.Queue[list[str]] = queue.Queue()
        try:
            token.run_sync_soon(lambda: answers.put(list(running_tasks())))
            return answers.get(timeout=ANSWER_SECONDS)
        except trio.RunFinishedError:
            return []
        except queue.Empty:
            return None


def running_tasks() -> Iterator[str]:
    """Names of trio's tasks, each with where it waits. Without those that only wait for tasks that they started."""
    root = trio.lowlevel.current_root_task()
    waiting = [root] if root is not None else []
    while waiting:
        task = waiting.pop()
        started = [child for nursery in task.child_nurseries for child in nursery.child_tasks]
        waiting += started
        if not started and not task.name.startswith("<"):  # trio's own
            yield f"{task.name} at {_place([frame for frame, _ in task.iter_await_frames()])}"


def running_threads() -> Iterator[str]:
    """Names of the threads besides the calling one, each with where it is."""
    frames = sys._current_frames()  # noqa: SLF001 - the only way to see another thread
    for thread in threading.enumerate():
        frame = frames.get(thread.ident or 0)
        if frame is not None and thread is not threading.current_thread():
            yield f"{thread.name} at {_place(_stack(frame))}"


def _stack(frame: FrameType | None) -> list[FrameType]:
    """Outermost first."""
    found = []
    while frame is not None:
        found.append(frame)
        frame = frame.f_back
    return found[::-1]


def _place(stack: list[FrameType]) -> str:
    """The innermost frame outside of trio and of Python's own library: theirs say only that something is waited for."""
    own = [frame for frame in stack if not _is_of_others(Path(frame.f_code.co_filename))]
    shown = own[-1:] or stack[-1:]
    return " ".join(f"{_short(frame.f_code.co_filename)}:{frame.f_lineno} {frame.f_code.co_name}" for frame in shown)


def _is_of_others(path: Path) -> bool:
    return "trio" in path.parts or (path.is_relative_to(_LIBRARY) and "site-packages" not in path.parts)


def _short(filename: str) -> str:
    """Without what is the machine's."""
    return "/".join(Path(filename).parts[-3:])


def _joined(names: list[str]) -> str:
    """Bounded to `NAMED_MAX`."""
    more = len(names) - NAMED_MAX
    return "; ".join([*names[:NAMED_MAX], *([f"and {more} more"] if more > 0 else [])])


_LIBRARY = Path(threading.__file__).parent
