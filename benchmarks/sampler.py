"""Where a process spends its processor time: `python -m benchmarks.sampler FOLDER MODULE arguments…`.

Rule: sampled by CPU time, not by the clock, so that waiting costs nothing and other processes don't distort it. Every
stack belongs to one component, the first in `COMPONENTS` that one of its frames is in. SIGUSR1 starts over; at its end
the process writes its counts, and `report` makes one text of all processes in a folder.
"""

import atexit
import os
import pickle
import resource
import runpy
import signal
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import FrameType

EVERY_SECONDS = 0.002
DEPTH_MAX = 60
SHOWN = 12
ROOT = str(Path(__file__).resolve().parents[1]) + "/"

Frame = tuple[str, str]
"""File and function."""

COMPONENTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("signatures of validators (BLS)", ("base/bls.py",)),
    (
        "signatures of messages (Ed25519), consensus",
        ("consensus/blocks/admission.py:check_envelope", "consensus/signing.py:seal"),
    ),
    ("log and sign state", ("consensus/wal.py:append", "sign_state.py:write")),
    ("block store", ("node/store/", "consensus/blocks/store.py")),
    ("executing transactions", ("apply_block.py:apply_transaction",)),
    ("executing the rest of a block", ("apply_block.py",)),
    ("commit listeners", ("application.py:commit",)),
    (
        "application, other",
        ("node/agreement/application.py", "benchmarks/kvstore.py:process", "benchmarks/kvstore.py:prepare"),
    ),
    ("checking transactions (mempool)", ("node/pool/mempool.py:add",)),
    ("consensus, other", ("node/agreement/engine.py",)),
    ("polling chains", ("bridge/",)),
    ("API", ("hypercorn/", "starlette/", "node/api/")),
    ("gossip and batches", ("node/p2p/libp2p/gossip.py", "libp2p/pubsub/", "transaction_service.py")),
    ("direct streams", ("node/p2p/", "libp2p/")),
    ("oracle", ("node/oracle/",)),
    ("recorder, packages", ("node/app/persister.py", "node/epochs/packages.py")),
    ("event loop", ("trio/",)),
)


class Sampler:
    """Counts stacks of the running process."""

    def __init__(self) -> None:
        self.stacks: Counter[tuple[Frame, ...]] = Counter()
        self._cpu = _cpu()

    def start(self) -> None:
        """Sample from now on. Call it in the main thread."""
        signal.signal(signal.SIGPROF, self._sample)
        signal.signal(signal.SIGUSR1, self._restart)
        signal.setitimer(signal.ITIMER_PROF, EVERY_SECONDS, EVERY_SECONDS)

    def write(self, folder: Path) -> None:
        """Stop, and leave the counts in a file of this process."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        found = (_cpu() - self._cpu, dict(self.stacks))
        (folder / f"{os.getpid()}.samples").write_bytes(pickle.dumps(found))

    def _restart(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.stacks.clear()
        self._cpu = _cpu()

    def _sample(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        stack: list[Frame] = []
        while frame is not None and len(stack) < DEPTH_MAX:
            stack.append((frame.f_code.co_filename, frame.f_code.co_name))
            frame = frame.f_back
        self.stacks[tuple(stack)] += 1


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def report(folder: Path, heights: int) -> str:
    """CPU milliseconds a height and process by component, and the functions that cost most, of all files there."""
    total, processes = 0.0, 0
    by_component: Counter[str] = Counter()
    by_function: Counter[str] = Counter()
    for path in sorted(folder.glob("*.samples")):
        cpu, stacks = pickle.loads(path.read_bytes())  # noqa: S301 - written by our own children
        samples = sum(stacks.values())
        if not samples:
            continue
        total, processes = total + cpu, processes + 1
        for stack, count in stacks.items():
            names = [_name(frame) for frame in stack]
            by_component[component(names)] += cpu * count / samples
            by_function[names[0]] += cpu * count / samples
    scale = 1000 / max(1, heights * processes)
    lines = [f"{processes} processes, {heights} heights, {total * scale:.2f} ms CPU a height and process"]
    lines += [f"  {seconds * scale:7.2f} ms  {name}" for name, seconds in by_component.most_common()]
    lines.append("functions, without what they call:")
    lines += [f"  {seconds * scale:7.2f} ms  {name}" for name, seconds in by_function.most_common(SHOWN)]
    return "\n".join(lines) + "\n"


def share_of(folder: Path, parts: tuple[str, ...]) -> float | None:
    """The share of the CPU of all files there in stacks with a frame in one of these; None without samples."""
    total = inside = 0.0
    for path in sorted(folder.glob("*.samples")):
        cpu, stacks = pickle.loads(path.read_bytes())  # noqa: S301 - written by our own children
        samples = sum(stacks.values())
        for stack, count in stacks.items():
            spent = cpu * count / samples
            total += spent
            inside += spent if any(part in _name(frame) for frame in stack for part in parts) else 0.0
    return inside / total if total else None


def component(names: Iterable[str]) -> str:
    """Which component a stack belongs to."""
    frames = list(names)
    for name, parts in COMPONENTS:
        if any(part in frame for frame in frames for part in parts):
            return name
    return "other"


def _name(frame: Frame) -> str:
    file, function = frame
    return f"{file.split('site-packages/')[-1].removeprefix(ROOT)}:{function}"


def main() -> None:
    folder, module = Path(sys.argv[1]), sys.argv[2]
    sampler = Sampler()
    atexit.register(sampler.write, folder)
    sampler.start()
    sys.argv = [module, *sys.argv[3:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
