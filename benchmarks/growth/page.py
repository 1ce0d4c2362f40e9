"""The figures in docs/explanation/growth.md: a table for each axis, between two marks. The rest is by hand."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.growth.series import Series, figure, first_wall, rounded
from benchmarks.machine import Machine

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "growth.md"
BEGIN, END = "<!-- figures of benchmarks.growth -->\n", "<!-- end of figures -->\n"
TITLES = {"accounts": "Accounts in one node", "validators": "Validators", "trades": "Trades in a block"}


def write(machine: Machine, series: Sequence[Series]) -> None:
    """Replace what stands between the marks."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(before + BEGIN + tables(machine, series) + END + after, encoding="utf-8")


def tables(machine: Machine, series: Sequence[Series]) -> str:
    """Markdown."""
    lines = [f"Measured on {machine.cpu}, {machine.cores} cores, Python {machine.python}.", ""]
    for axis, title in TITLES.items():
        found = [each for each in series if each.axis == axis]
        if not found:
            continue
        sizes = sorted({point.size for each in found for point in each.points})
        wall = first_wall(found)
        lines += [
            f"### {title}",
            f"| cost | {' | '.join(f'{size:,}' for size in sizes)} | slope | last slope | limit | met at |",
            f"|---|{'--:|' * len(sizes)}--:|--:|--:|--:|",
            *(_row(each, sizes) for each in found),
            "",
            f"**First wall:** {wall.what}, at about {rounded(wall.wall)} {axis}. {wall.remedy}",
            "",
        ]
    return "\n".join(lines)


def _row(each: Series, sizes: Sequence[int]) -> str:
    costs = {point.size: figure(point.cost) for point in each.points}
    unit = f", {each.unit}" if each.unit else ""
    cells = " | ".join(costs.get(size, "") for size in sizes)
    return (
        f"| {each.what}{unit} | {cells} | {each.exponent:.2f} | {each.last_exponent:.2f} | {figure(each.limit)}"
        f" | {rounded(each.wall)} |"
    )
