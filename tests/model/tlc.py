"""TLC in a process: a model with a configuration, its verdict, and its traces as Python values.

Rule: TLC's own output is the verdict; an output that says neither is an error.
"""

import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.model.checks import NAMES

MODELS = Path(__file__).parent
_TOKEN = re.compile(r'"[^"]*"|-?\d+|\|->|:>|@@|<<|>>|[\w]+|[\[\](){},]')


@dataclass(frozen=True)
class Found:
    """What TLC found. `broken` is the invariant that fails, or empty."""

    broken: str
    states: int
    """Distinct ones."""


def run(jar: Path, module: str, configuration: str, *options: str) -> tuple[str, Path]:
    """TLC's output, and the folder that it ran in."""
    folder = Path(tempfile.mkdtemp(prefix="model-"))
    (folder / f"{module}.tla").write_bytes((MODELS / f"{module}.tla").read_bytes())
    (folder / "Run.tla").write_text(
        f"---- MODULE Run ----\nEXTENDS {module}\n{NAMES[module]}\n====\n", encoding="utf-8"
    )
    (folder / "Run.cfg").write_text(configuration, encoding="utf-8")
    command = [
        "java",
        "-XX:+UseParallelGC",
        "-XX:TieredStopAtLevel=1",
        "-cp",
        str(jar.resolve()),
        "tlc2.TLC",
        "-deadlock",
        *options,
        "Run",
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout, folder


def checked(jar: Path, module: str, configuration: str) -> Found:
    """Check all states. Raises ValueError when TLC says neither that all is well nor what is not."""
    output, _ = run(jar, module, configuration, "-workers", "auto")
    counts = re.findall(r"([\d,]+) distinct states found", output)
    broken = re.search(r"Invariant (\w+) is violated", output)
    if broken is None and "No error has been found" not in output:
        raise ValueError(output)
    return Found(broken[1] if broken else "", int(counts[-1].replace(",", "")) if counts else 0)


def traces(jar: Path, configuration: str, count: int, depth: int, seed: int) -> list[list[dict[str, Any]]]:
    """Random behaviours of `Certified`, each a list of states."""
    options = ["-simulate", f"file=trace,num={count}", "-depth", str(depth), "-seed", str(seed), "-workers", "1"]
    _, folder = run(jar, "Certified", configuration, *options)
    files = sorted(folder.glob("trace_*"), key=lambda path: int(path.name.rpartition("_")[2]))
    return [list(_states(path.read_text(encoding="utf-8"))) for path in files]


def _states(text: str) -> Iterator[dict[str, Any]]:
    for part in text.split("STATE_")[1:]:
        state = {}
        for line in re.split(r"^/\\ ", part.partition("==")[2].partition("====")[0], flags=re.MULTILINE)[1:]:
            name, _, value = line.partition(" = ")
            state[name] = _value(_TOKEN.findall(value))
        yield state


def _value(tokens: list[str]) -> Any:
    """The next value; takes its tokens away."""
    token = tokens.pop(0)
    if token == "(":
        found = {}
        while True:
            key = _value(tokens)
            tokens.pop(0)
            found[key] = _value(tokens)
            if tokens.pop(0) == ")":
                return found
    if token == "[":
        found = {}
        while True:
            key = tokens.pop(0)
            tokens.pop(0)
            found[key] = _value(tokens)
            if tokens.pop(0) == "]":
                return found
    return int(token) if re.fullmatch(r"-?\d+", token) else token.strip('"')
