"""The page of ratios: what the last committed run of `benchmarks.ratios` measured, beside its goals."""

from pathlib import Path

import msgspec

MEASURED = Path(__file__).resolve().parents[1] / "benchmarks" / "ratios.json"
HEAD = """# Ratios

What does not depend on the machine: `python -m benchmarks.ratios` measures all of it in one run. This is the committed
run, `benchmarks/ratios.json`, of a machine of two cores that did nothing else. `make bench-ratios` measures again and
fails where a ratio is worse than here by more than a quarter. [The cost of a height](../explanation/speed.md) explains
them.

| what | measured | goal | |
|---|---|---|---|
"""


class Line(msgspec.Struct, frozen=True):
    """One line of the file."""

    what: str
    value: float | None
    goal: str
    met: bool


def page() -> str:
    """The page, without the mark that it is generated."""
    lines = msgspec.json.decode(MEASURED.read_bytes(), type=list[Line])
    return HEAD + "".join(
        f"| {each.what} | {'not measured' if each.value is None else f'{each.value:.2f}'} | {each.goal}"
        f" | {'met' if each.met else 'not met'} |\n"
        for each in lines
    )
