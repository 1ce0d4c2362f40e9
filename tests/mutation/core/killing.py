"""One mutant of the core against its tests: a forked process imports the mutant in the place of the module.

Rule: this process imports everything once. A child forgets the modules that know the core, imports those again with one
mutant among them, and ends with its verdict: a tenth of a second, where a new process needs ten. The tests come in
stages, quick ones first; the first that fails ends the run. The last stage is the seeded simulator with its invariants.
Limits are of processor time, so that a loaded machine finds no fault.
"""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import logging
import os
import resource
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType

import pytest
import structlog

import consensus.core
from tests.mutation.core.plain import failing_case
from tests.mutation.killing import Verdict, short
from tests.mutation.operators import Mutant

TESTS = Path(__file__).resolve().parents[2] / "consensus"
SOURCES = Path(consensus.core.__file__).parent
_RULES = ("rules_of_the_paper", "vote_keeper", "core_details", "core_rules")
FIRST = {
    "adaptive_timeouts.py": ("step_watch",),
    "events.py": _RULES,
    "rules.py": _RULES,
    "state.py": _RULES,
    "step.py": _RULES,
    "votes.py": ("vote_keeper", "rules_of_the_paper", "core_details", "core_rules"),
}
"""Tests of a file's own subject, by the name of their file: tried first, without pytest, and alone if the run is to be
quick."""
SLOW = ("memory", "after_an_hour")
"""Parts of the names of tests that the first look leaves out."""
LATER = (
    ("core_rules", "quint_traces", "model_traces", "collectors", "adaptive_timeouts"),
    ("bad_shares", "dissemination", "block_sync", "evidence", "hostile_messages", "leaders", "relays"),
)
SEEDS = range(40)
"""Of the simulator, tried last."""
CPU_SECONDS_MAX, CPU_SECONDS_MAX_FIRST = 20, 1
"""Of one test: a fault that never ends is found. Without a fault the longest takes a quarter of it; of those that are
tried first, a tenth."""
CPU_SECONDS_IN_ALL = 600
MEMORY_MAX = 6 << 30
"""In bytes: a fault that fills the memory is found."""
OF_THE_CORE = ("consensus", "node", "devnet", "bridge", "member", "proofs", "cli", "tests.kit", "tests.sim")
"""Packages that a child imports again."""


def failing(file: str, source: str | None = None, *, quick: bool = True) -> str:
    """What finds a source in the place of a file's own, or fails with that; empty if nothing does."""
    own = (SOURCES / file).read_text(encoding="utf-8")
    ((_, by),) = _tried([Mutant(file, 0, "", "", "", source or own)], 1, {}, quick=quick)
    return by


def verdicts_on(mutants: Sequence[Mutant], workers: int, *, quick: bool = False) -> Iterator[Verdict]:
    """The verdicts, as they come. Tests that find faults of a file are tried sooner on its next ones."""
    found: dict[str, Counter[str]] = {file: Counter() for file in FIRST}
    for mutant, by in _tried(mutants, workers, found, quick=quick):
        found[mutant.file][by] += bool(by)
        yield Verdict(mutant, "killed" if by else "survived", by)


def _tried(
    mutants: Sequence[Mutant], workers: int, found: Mapping[str, Mapping[str, int]], *, quick: bool
) -> Iterator[tuple[Mutant, str]]:
    """Run a child for each mutant, several at the same time."""
    _load([*{name for mutant in mutants for name in FIRST[mutant.file]}, *([] if quick else sum(LATER, ()))], quick)
    running: dict[int, tuple[Mutant, int]] = {}
    waiting = list(reversed(mutants))
    while waiting or running:
        while waiting and len(running) < workers:
            mutant = waiting.pop()
            child, answer = _fork(mutant, found.get(mutant.file, {}), quick=quick)
            running[child] = (mutant, answer)
        child = _ended(list(running))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        mutant, answer = running.pop(child)
        with os.fdopen(answer, encoding="utf-8") as given:
            text = given.read()
        yield mutant, json.loads(text) if text else f"the process ended with {status}"


def _ended(children: Sequence[int]) -> int:
    """One of these that has ended; its status stays to be read."""
    if len(children) == 1:
        return children[0]
    while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)) is None or ended.si_pid not in children:
        if ended is not None:
            os.waitpid(ended.si_pid, 0)
    return ended.si_pid


def _fork(mutant: Mutant, found_before: Mapping[str, int], *, quick: bool) -> tuple[int, int]:
    """Start a child; its number, and where it writes its verdict."""
    answer, mine = os.pipe()
    if child := os.fork():
        os.close(mine)
        return child, answer
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS_IN_ALL, CPU_SECONDS_IN_ALL))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX, MEMORY_MAX))
        signal.signal(signal.SIGVTALRM, _end)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        _forget()
        sys.meta_path.insert(0, _InItsPlace(mutant))
        by = _first_failure(mutant.file, found_before, quick=quick)
        os.write(mine, json.dumps(by).encode())
    finally:
        os._exit(1)


def _first_failure(file: str, found_before: Mapping[str, int], *, quick: bool) -> str:
    try:
        _start_clock(CPU_SECONDS_MAX_FIRST)
        modules = [_imported(each) for each in _files(FIRST[file])]
    except Exception as error:
        return f"{type(error).__name__} as the tests are imported"
    if by := failing_case(modules, found_before, SLOW, lambda: _start_clock(CPU_SECONDS_MAX_FIRST)):
        return by
    for names in () if quick else LATER:
        if by := _failing_test(names, found_before):
            return by
    return "" if quick else _failing_seed(SEEDS)


class _InItsPlace(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Imports a mutant as the module that it is of."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant
        self._name = f"consensus.core.{mutant.file.removesuffix('.py')}"

    def find_spec(self, fullname: str, *_: object) -> importlib.machinery.ModuleSpec | None:
        """As the import system asks for it."""
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(fullname, SOURCES / self._mutant.file, loader=self)

    def get_source(self, fullname: str) -> str:
        """Of the mutant."""
        return self._mutant.source

    def exec_module(self, module: ModuleType) -> None:
        """Run the mutant as the module."""
        exec(compile(self._mutant.source, str(SOURCES / self._mutant.file), "exec"), module.__dict__)  # noqa: S102


def _load(names: Sequence[str], quick: bool) -> None:
    """Import what the tests need."""
    importlib.import_module("tests.conftest")
    for file in _files(names):
        _imported(file)
    if not quick:
        importlib.import_module("tests.sim.consensus.network")


def _forget() -> None:
    """Forget what knows the core: in a child alone, because all else in this process has its classes."""
    for name in [each for each in sys.modules if any(f"{each}.".startswith(f"{top}.") for top in OF_THE_CORE)]:
        del sys.modules[name]
    for name in ("kit", "sim"):
        vars(sys.modules["tests"]).pop(name, None)


def _imported(file: Path) -> ModuleType:
    """A module of tests, under no name that anybody else imports."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise ImportError(file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _files(names: Sequence[str]) -> list[Path]:
    return [path for name in names for path in sorted(TESTS.glob(f"test_{name}.py"))]


def _failing_test(names: Sequence[str], found_before: Mapping[str, int]) -> str:
    watch = _Watch(found_before)
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--no-header", "--assert=plain"]
    code = pytest.main([*options, *map(str, _files(names))], plugins=[watch])
    return watch.failed or ("" if code == pytest.ExitCode.OK else f"pytest ended with {code!s}")


class _Watch:
    """A plug-in of pytest: tests that found faults before come first, none takes too long, the first failure stays."""

    def __init__(self, found_before: Mapping[str, int]) -> None:
        self._found_before = found_before
        self.failed = ""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Order by how many faults each found."""
        items.sort(key=lambda item: -self._found_before.get(short(item.nodeid), 0))

    def pytest_runtest_setup(self) -> None:
        """No test takes too long."""
        _start_clock()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the first name."""
        if report.failed and not self.failed:
            self.failed = short(report.nodeid)


def _failing_seed(seeds: Sequence[int]) -> str:
    if not seeds:
        return ""
    network = importlib.import_module("tests.sim.consensus.network")
    scenarios = importlib.import_module("tests.sim.consensus.scenarios")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    for seed in seeds:
        _start_clock()
        try:
            network.SimNetwork(seed, scenarios.faults_of(seed)).run()
        except Exception as error:
            return f"simulator seed {seed}: {type(error).__name__}"
    return ""


def _start_clock(seconds: int = CPU_SECONDS_MAX) -> None:
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)


def _end(*_: object) -> None:
    raise TimeoutError("too much processor time")
