"""`report.html` of a demonstration: prices, margins, calls, liquidations, blocks and proofs as charts, in one file.

Rule: drawn from what the block log came to when it was executed again, and from the summary. The file loads nothing;
every text in it is escaped. Matplotlib is an extra of the package and imported only here.
"""

import html
import io
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clearing.schema.receipts.default import DefaultDeclared
from clearing.schema.receipts.liquidation import LiquidationOpened
from clearing.schema.receipts.margin_calls import EarlyCalled, MarginCalled
from clearing.schema.terms.genesis import Genesis
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin
from devnet.demo.report import Summary
from node.agreement.application import DecidedHeight

MARGINS_EVERY = 10
"""Heights between two looks at every account's margin."""
EVENTS = {EarlyCalled: "early call", MarginCalled: "margin call", LiquidationOpened: "liquidation"}
COLOURS = {"early call": "tab:olive", "margin call": "tab:orange", "liquidation": "tab:red", "default": "black"}
MICROS = 1_000_000
SETTINGS = "MPLCONFIGDIR"
"""The variable that names Matplotlib's folder; it counts until Matplotlib is imported."""


@dataclass
class DaySeries:
    """What happened over time, noted height by height. Times are seconds since the first height."""

    accounts: Mapping[int, str]
    """Names of the accounts whose margin is drawn."""
    feeds: Mapping[int, str]
    seconds: list[float] = field(default_factory=list)
    """Of each height."""
    prices: dict[int, list[int | None]] = field(default_factory=dict)
    """Index ticks by feed, a value a height; None before the first price."""
    looked: list[float] = field(default_factory=list)
    """When margins were looked at."""
    free: dict[int, list[float]] = field(default_factory=dict)
    """Equity beyond initial margin by account, in whole units of cash."""
    events: list[tuple[float, str, str]] = field(default_factory=list)
    """Time, kind, and whose account."""
    _first_ms: int | None = None

    def note(self, decided: DecidedHeight) -> None:
        """A listener of a replay."""
        state, now_ms = decided.state, decided.header.time_ms
        first_ms = self._first_ms = now_ms if self._first_ms is None else self._first_ms
        at = (now_ms - first_ms) / 1000
        self.seconds.append(at)
        for feed in self.feeds:
            record = state.feeds.get(feed)
            self.prices.setdefault(feed, []).append(record.ticks if record is not None and record.ticks else None)
        for receipt in decided.result.receipts:
            kind = EVENTS.get(type(receipt))
            if kind is not None:
                self.events.append((at, kind, self.accounts.get(receipt.account, "")))  # type: ignore[union-attr]
            elif isinstance(receipt, DefaultDeclared):
                self.events.append((at, "default", self.accounts.get(receipt.member, "")))
        if len(self.seconds) % MARGINS_EVERY == 1:
            self.looked.append(at)
            arrays = current_arrays(state)
            for account in self.accounts:
                margin = holdings_margin(arrays, current_holdings(state, account))
                self.free.setdefault(account, []).append((margin.equity - margin.initial) / MICROS)


def day_series(genesis: Genesis) -> DaySeries:
    """Empty, for the members' accounts and the feeds of this genesis; the house is left out."""
    house, *members = genesis.members
    del house
    accounts = {terms.id: member.name for member in members for terms in member.accounts}
    return DaySeries(accounts, {feed.id: feed.name for feed in genesis.feeds})


def write_web_report(path: Path, summary: Summary, series: DaySeries, proofs: Sequence[Mapping[str, Any]]) -> None:
    """Write the file. `proofs`: what nodes logged of each proven epoch. Without Matplotlib there are tables alone."""
    with _own_settings(path.parent):
        drawings = "".join(_drawings(series, proofs))
    rows = "".join(f"<tr><th>{_text(name)}<td>{_text(value)}" for name, value in _facts(summary))
    margins = "".join(
        f"<tr><th>{_text(line.name)}" + "".join(f"<td>{_text(f'{amount / MICROS:,.2f}')}" for amount in amounts)
        for line in summary.members
        for amounts in [(line.equity_micros, line.initial_margin_micros, line.maintenance_margin_micros)]
    )
    verdict = "Everything was shown." if summary.ok else "Missing: " + "; ".join(summary.missing)
    path.write_text(
        _PAGE.format(verdict=_text(verdict), rows=rows, margins=margins, claim=_text(summary.claim), drawings=drawings),
        encoding="utf-8",
    )


@contextmanager
def _own_settings(folder: Path) -> Iterator[None]:
    """Matplotlib keeps a list of fonts: in a folder that goes again, not in the user's home."""
    before = os.environ.get(SETTINGS)
    with tempfile.TemporaryDirectory(dir=folder) as own:
        os.environ[SETTINGS] = own
        try:
            yield
        finally:
            if before is None:
                del os.environ[SETTINGS]
            else:
                os.environ[SETTINGS] = before


def _text(value: object) -> str:
    return html.escape(str(value))


def _facts(summary: Summary) -> Iterator[tuple[str, object]]:
    yield "network", summary.network
    yield "heights", summary.heights
    yield "block latency, median", f"{summary.block_latency_ms_p50:.0f} ms"
    yield "block latency, one in a hundred", f"{summary.block_latency_ms_p99:.0f} ms"
    yield "deposits credited", ", ".join(f"{count} on {chain}" for chain, count in sorted(summary.deposits.items()))
    yield "trades novated", ", ".join(f"{count} {kind}" for kind, count in sorted(summary.trades.items()))
    yield "margin calls", summary.margin_calls
    yield "liquidations", summary.liquidations
    yield "defaults", summary.defaults
    yield "withdrawals paid", f"{summary.withdrawals_confirmed} of {summary.withdrawals_released}"
    yield "epochs proven", f"{summary.proofs}, median {summary.proof_seconds_median:.1f} s"
    yield "last package", f"{summary.package_bytes} bytes, verified in {summary.verify_seconds * 1000:.0f} ms"


def _drawings(series: DaySeries, proofs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Each chart as an inline SVG."""
    try:
        import matplotlib as mpl
    except ImportError:
        return
    with mpl.rc_context({"svg.hashsalt": "crossclear", "svg.fonttype": "none"}):
        yield _drawn("Index, first price 100", series, _draw_prices)
        yield _drawn("Equity beyond initial margin", series, _draw_margins)
        yield _drawn("Milliseconds from one height to the next", series, _draw_pace)
        if proofs:
            yield _drawn("Seconds to prove an epoch", proofs, _draw_proofs)


def _drawn(title: str, given: Any, draw: Any) -> str:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.2))
    axes = figure.subplots(gridspec_kw={"left": 0.07, "right": 0.98, "top": 0.9, "bottom": 0.17})
    draw(axes, given)
    axes.set_title(title, loc="left")
    axes.grid(alpha=0.3)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    drawing = buffer.getvalue().decode().partition("<svg")[2]
    return f'<svg role="img" aria-label="{_text(title)}"{drawing}'


def _label(name: str) -> str:
    """Short, and without the sign that begins a formula."""
    return name[:24].replace("$", r"\$")


def _draw_prices(axes: Any, series: DaySeries) -> None:
    for feed, ticks in series.prices.items():
        first = next((each for each in ticks if each), 1) or 1
        axes.plot(series.seconds, [each and 100 * each / first for each in ticks], label=_label(series.feeds[feed]))
    drawn = set()
    for at, kind, _ in series.events:
        axes.axvline(at, color=COLOURS[kind], alpha=0.6, label="" if kind in drawn else kind)
        drawn.add(kind)
    axes.legend(fontsize="small")
    axes.set_xlabel("seconds")


def _draw_margins(axes: Any, series: DaySeries) -> None:
    for account, values in series.free.items():
        axes.plot(series.looked, values, label=_label(series.accounts[account]))
    axes.axhline(0, color="black", linewidth=1)
    axes.legend(fontsize="small", ncols=4)
    axes.set_xlabel("seconds")


def _draw_pace(axes: Any, series: DaySeries) -> None:
    paces = [1000 * (after - before) for before, after in zip(series.seconds, series.seconds[1:], strict=False)]
    axes.plot(series.seconds[1:], paces, linewidth=0.7)
    axes.set_yscale("log")
    axes.set_xlabel("seconds")


def _draw_proofs(axes: Any, proofs: Sequence[Mapping[str, Any]]) -> None:
    found = sorted((each["epoch"], each["seconds"]) for each in proofs)
    axes.bar([epoch for epoch, _ in found], [seconds for _, seconds in found])
    axes.set_xlabel("epoch")


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>crossclear: a demonstration</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>body{{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}}
svg{{width:100%;height:auto}}th,td{{text-align:left;padding:.2rem 1rem .2rem 0;border-bottom:1px solid #ddd}}
th,td{{vertical-align:top;overflow-wrap:anywhere}}pre{{white-space:pre-wrap}}</style></head>
<body><h1>A demonstration</h1><p>{verdict}</p>
<h2>The last package, verified</h2><pre>{claim}</pre>
<h2>Over time</h2>{drawings}
<h2>In figures</h2><table>{rows}</table>
<h2>Margin at the end</h2><table><tr><th>account<th>equity<th>initial<th>maintenance</tr>{margins}</table>
</body></html>
"""
