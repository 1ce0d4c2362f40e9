"""The pages of attacks name tests that exist, at least one for each attack of the list."""

import ast
import re

import pytest

from tests.kit.sources import ROOT

PAGE, MEMBERS, API = (
    (ROOT / "docs" / "explanation" / name).read_text(encoding="utf-8")
    for name in ("known-attacks.md", "adversary.md", "api-attacks.md")
)
BY_HAND = MEMBERS.partition("## Attacks that were played by hand")[2].partition("\n## ")[0]
ROWS = [
    row.split(" | ") for page in (PAGE, BY_HAND, API) for row in re.findall(r"^\| (.+) \|$", page, re.MULTILINE)[1:]
]
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py):(\w+)`", PAGE + BY_HAND + API)))


def functions(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_each_test_that_the_page_names_exists(path: str, name: str) -> None:
    assert name.startswith("test_")
    assert name in functions(path)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_attack_has_a_test(row: list[str]) -> None:
    assert len(row) == 4
    assert re.search(r"`tests/[\w/]+\.py:test_\w+`", row[3])


def test_every_attack_on_the_api_is_on_the_page() -> None:
    path = "tests/node/api/test_web_attacks.py"
    tests = {name for name in functions(path) if name.startswith("test_")}
    others = {
        "test_two_requests_that_everybody_cuts_alike_are_answered",
        "test_a_node_behind_a_proxy_or_on_a_network_has_names_of_its_own",
    }
    assert tests - others == {name for stated, name in NAMED if stated == path}


def test_every_test_of_an_attack_on_the_vault_is_on_the_page() -> None:
    path = "tests/bridge/contracts/test_known_attacks.py"
    tests = {name for name in functions(path) if name.startswith("test_")}
    assert tests == {name for stated, name in NAMED if stated == path}
