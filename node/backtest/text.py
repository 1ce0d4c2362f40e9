"""A backtest's report in words: the table that the command prints.

Rule: says what the JSON says, shorter; figures are never computed anew.
"""

from datetime import UTC, datetime

from node.backtest.coverage import Coverage
from node.backtest.report import BookReport, Report


def in_words(report: Report) -> str:
    """Lines for a terminal of 100 columns."""
    confidence = report.confidence_ppm / 10_000
    lines = [
        f"{report.file}: {report.points} points from {_day(report.first_s)} to {_day(report.last_s)}, one each"
        f" {report.interval_s * report.horizon_observations} s, warm-up {report.warm_up}, gaps {report.gaps}",
        "",
        f"Raw range at {confidence:g} %: two-sided Kupiec test at 5 %",
        _header("series"),
    ]
    for each in report.ranges:
        lines.append(_row(each.name, each.raw, calibrated=True))
        lines += [_row(f"  {year}", coverage, calibrated=True) for year, coverage in each.raw_by_year.items()]
    lines += ["", "Published range: one-sided upper bound at 5 %", _header("series")]
    lines += [_row(each.name, each.published, calibrated=False) for each in report.ranges]
    lines += ["", f"Initial margin of {len(report.books)} books: one-sided upper bound at 5 %", _header("book")]
    lines += [_row(f"{each.seed} {each.form}", each.coverage, calibrated=False) for each in _telling(report.books)]
    failing = sum(not each.coverage.is_enough for each in report.books)
    lines += [
        f"  books that fail: {failing}; losses beyond margin: {len(report.breaches)} of"
        f" {report.points * len(report.books)}, each in the JSON",
        "",
        f"Procyclicality{'':<12}peak/trough  " + "  ".join(f"{name:>8}" for name in _names(report)),
    ]
    for each in report.ranges:
        for told, seen in (("raw", each.raw_procyclicality), ("published", each.published_procyclicality)):
            ratios = "  ".join(f"{value:>8.2f}" for value in seen.change_ratios.values())
            lines.append(f"  {each.name + ' ' + told:<24}{seen.peak_to_trough:>11.2f}  {ratios}")
    lines += [
        "",
        f"raw range calibrated: {_yes(report.raw_is_calibrated)}; margin enough: {_yes(report.margin_is_enough)}",
    ]
    return "\n".join(lines)


def _telling(books: tuple[BookReport, ...]) -> list[BookReport]:
    """The worst book of each form."""
    worst: dict[str, BookReport] = {}
    for each in books:
        before = worst.get(each.form)
        if before is None or each.coverage.exceeded > before.coverage.exceeded:
            worst[each.form] = each
    return list(worst.values())


def _header(of: str) -> str:
    return f"  {of:<24}{'exceeded':>9}{'of':>8}{'expected':>10}{'percent':>9}{'p':>8}{'clusters p':>12}"


def _row(name: str, seen: Coverage, *, calibrated: bool) -> str:
    p, good = (seen.kupiec_p, seen.is_calibrated) if calibrated else (seen.too_many_p, seen.is_enough)
    return (
        f"  {name:<24}{seen.exceeded:>9}{seen.points:>8}{seen.expected:>10.1f}{100 * seen.frequency:>9.3f}{p:>8.3f}"
        f"{seen.independence_p:>12.2g}  {'pass' if good else 'FAIL'}"
    )


def _names(report: Report) -> list[str]:
    return list(report.ranges[0].raw_procyclicality.change_ratios) if report.ranges else []


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def _yes(good: bool) -> str:
    return "yes" if good else "NO"
