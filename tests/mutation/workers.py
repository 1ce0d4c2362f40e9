"""Processes that judge mutants side by side.

Rule: each process has a lane of its own, so that its death is an error of the mutant that it was at, and no wait.
"""

import multiprocessing
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from queue import SimpleQueue

from tests.mutation.killing import Bench, Verdict
from tests.mutation.operators import Mutant

_benches: list[Bench] = []
"""Of this process, at most one."""


class Worker:
    """A process with a bench, made anew when it dies."""

    def __init__(self, sound: Mapping[str, bytes]) -> None:
        self._sound = sound
        self._process = self._start()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.shutdown(cancel_futures=True)

    def judge(self, mutant: Mutant, found_before: Mapping[str, int], *, quick: bool) -> Verdict:
        """As `Bench.judge`. A dead process is the verdict `error`."""
        try:
            return self._process.submit(_judge, mutant, found_before, quick).result()
        except BrokenProcessPool as error:
            self._process = self._start()
            return Verdict(mutant, "error", str(error))

    def failing_test(self, names: Sequence[str], artifacts: Mapping[str, bytes] | None = None) -> str:
        """As `Bench.failing_test`. Raises BrokenProcessPool."""
        return self._process.submit(_failing_test, artifacts, names).result()

    def _start(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _set_up, (self._sound,))


def verdicts_on(
    mutants: Sequence[Mutant], sound: Mapping[str, bytes], workers: int, *, quick: bool = False
) -> Iterator[Verdict]:
    """The verdicts, as they come. Tests that find faults of a file are tried sooner on its next ones."""
    found = Counter[tuple[str, str]]()
    with ExitStack() as stack:
        idle = SimpleQueue[Worker]()
        for _ in range(workers):
            idle.put(stack.enter_context(Worker(sound)))

        def judged(mutant: Mutant) -> Verdict:
            worker = idle.get()
            found_before = {test: count for (file, test), count in list(found.items()) if file == mutant.file}
            try:
                return worker.judge(mutant, found_before, quick=quick)
            finally:
                idle.put(worker)

        lanes = stack.enter_context(ThreadPoolExecutor(workers))
        for done in as_completed([lanes.submit(judged, mutant) for mutant in mutants]):
            verdict = done.result()
            if verdict.outcome == "killed":
                found[verdict.mutant.file, verdict.by] += 1
            yield verdict


def _set_up(sound: Mapping[str, bytes]) -> None:
    _benches.append(Bench(sound))


def _judge(mutant: Mutant, found_before: Mapping[str, int], quick: bool) -> Verdict:
    return _benches[0].judge(mutant, found_before, quick=quick)


def _failing_test(artifacts: Mapping[str, bytes] | None, names: Sequence[str]) -> str:
    return _benches[0].failing_test(artifacts, names)
