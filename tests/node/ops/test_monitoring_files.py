"""Alert rules and dashboard name what a node exports, and the runbook answers each alert and each readiness reason."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from node.ops.metrics import Metrics, PeerCollector, SignerCollector
from node.ops.stream_collector import StreamCollector

ROOT = Path(__file__).resolve().parents[3]
FILES = ROOT / "configs" / "monitoring"
RUNBOOK = (ROOT / "docs" / "how-to" / "respond.md").read_text(encoding="utf-8")
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
OF_PROMETHEUS = {"instance", "job", "le"}
"""Labels that Prometheus adds, or that every histogram has."""


def exported() -> dict[str, set[str]]:
    """Series that a node exports, with their labels."""
    metrics = Metrics(PeerCollector(None), SignerCollector(None), StreamCollector(None))
    labels = {
        metric._name: set(metric._labelnames) for metric in vars(metrics).values() if hasattr(metric, "_labelnames")
    }
    found = {}
    for family in metrics.registry.collect():
        own = labels.get(family.name, set(getattr(family, "_labelnames", ())))
        for suffix in SUFFIXES[family.type]:
            found[family.name + suffix] = own
    return found


SERIES = exported()


def mistakes(expression: str) -> list[str]:
    """What of an expression no node exports."""
    names = set(re.findall(r"\bcrossclear_\w+", expression))
    found = [name for name in sorted(names) if name not in SERIES]
    known = set().union(OF_PROMETHEUS, *(SERIES.get(name, set()) for name in names))
    used = set(re.findall(r"(\w+) *=~?\"", expression))
    used |= {word for by in re.findall(r"\b(?:by|on|without) *\(([^)]*)\)", expression) for word in by.split(", ")}
    return found + sorted(used - known)


def texts_fit(text: str, expression: str) -> bool:
    """Whether a legend or summary uses only labels that the expression's series have."""
    names = re.findall(r"\bcrossclear_\w+", expression)
    known = set().union(OF_PROMETHEUS, *(SERIES.get(name, set()) for name in names))
    return set(re.findall(r"\{\{ *(?:\$labels\.)?(\w+) *\}\}", text)) <= known


def alerts() -> list[dict[str, Any]]:
    tree = yaml.safe_load((FILES / "alerts.yml").read_text(encoding="utf-8"))
    return [rule for group in tree["groups"] for rule in group["rules"]]


def panels() -> Iterator[tuple[str, str, str]]:
    """Title, expression, legend."""
    for panel in json.loads((FILES / "dashboard.json").read_bytes())["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"], target["legendFormat"]


@pytest.mark.parametrize(
    "planted",
    [
        "crossclear_consensus_hight > 0",
        "rate(crossclear_service_failures[5m])",
        'crossclear_p2p_peers{chain="1"} > 0',
        "sum by (feed) (crossclear_consensus_height)",
    ],
)
def test_a_planted_mistake_is_found(planted: str) -> None:
    assert mistakes(planted)


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_an_alert_names_what_a_node_exports_and_its_section_of_the_runbook(alert: dict[str, Any]) -> None:
    assert mistakes(alert["expr"]) == []
    assert alert["labels"]["severity"] in ("warning", "critical")
    assert texts_fit(alert["annotations"]["summary"].replace("$value", ""), alert["expr"])
    page, _, anchor = alert["annotations"]["runbook"].partition("#")
    assert (ROOT / page).read_text(encoding="utf-8") == RUNBOOK
    assert anchor == alert["alert"].lower(), "an alert has a section of its own"
    assert anchor in {heading.lower() for heading in re.findall(r"^### (\w+)$", RUNBOOK, re.MULTILINE)}


def test_every_section_of_the_runbook_is_of_an_alert() -> None:
    answered = {alert["annotations"]["runbook"].partition("#")[2] for alert in alerts()}
    assert {heading.lower() for heading in re.findall(r"^### (\w+)$", RUNBOOK, re.MULTILINE)} == answered
    names = [alert["alert"] for alert in alerts()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("title", "expression", "legend"), list(panels()))
def test_a_panel_shows_what_a_node_exports(title: str, expression: str, legend: str) -> None:
    assert mistakes(expression.replace('=~"$instance"', '="a"')) == [], title
    assert texts_fit(legend, expression), title


def reasons() -> set[str]:
    """Names that conditions have in code; `*` for what is put in."""
    found = set()
    for path in (
        ROOT / "node" / "ops" / "health.py",
        ROOT / "node" / "supervision.py",
        ROOT / "node" / "sync" / "search.py",
    ):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        named = [node for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "name"]
        values = [node.value for node in named]
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign):
                values += _values_of_name(node.targets[0], node.value)
        for value in values:
            if isinstance(value, ast.Constant):
                found.add(str(value.value))
            elif isinstance(value, ast.JoinedStr):
                parts = [str(each.value) if isinstance(each, ast.Constant) else "*" for each in value.values]
                found.add("".join(parts))
    return found


def _values_of_name(target: ast.expr, value: ast.expr) -> list[ast.expr]:
    """What an assignment gives to `name`, alone or among others."""
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        return [each for pair in zip(target.elts, value.elts, strict=True) for each in _values_of_name(*pair)]
    return [value] if isinstance(target, ast.Name) and target.id == "name" else []


def test_every_readiness_reason_is_answered() -> None:
    listed = set(re.findall(r"^\| `([^`]+)` \|", RUNBOOK, re.MULTILINE))
    assert len(reasons()) > 10
    assert listed == reasons()
