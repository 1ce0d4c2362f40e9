"""Every string of every answer is text: none becomes an element, an attribute that loads or runs, or a new address."""

from pathlib import Path
from typing import Any

import pytest

from tests.kit.clearing.genesis import ALICE, BOB
from tests.kit.clearing.signer import secret
from tests.kit.member.crisis_view import CrisisView
from tests.kit.member.driven_page import VIEWS, Scene, Step, drive, signed_in, view
from tests.kit.member.hostile_answers import AUDIT, SHOWN, every_text, made_answers
from tests.kit.member.page_view import PageView, now_ms, shown
from tests.kit.node.answering_node import answering_node
from tests.kit.node.served_api import served_api

pytestmark = pytest.mark.usefixtures("built_page")
KEPT = ("network", "kind")
"""Of the network a signature is made; `kind` of a receipt chooses its sentence."""


def through(*paths: str) -> list[Step]:
    """By the links of the page, audited in each view."""
    steps: list[Step] = []
    for path in paths:
        there: list[Step] = [["click", f"nav a[href='#/{path}']"], ["see", f"nav a[href='#/{path}'][aria-current]", ""]]
        steps += [*there, ["settle"], AUDIT, SHOWN]
    return steps


def audits(scene: Scene) -> list[Any]:
    return [each for each in scene.notes if isinstance(each, dict) and "found" in each]


def assert_harmless(scene: Scene, *paths: str) -> None:
    assert [each["found"] for each in audits(scene)] == [[]] * len(paths)
    assert [each["place"] for each in audits(scene)] == [f"/#/{path}" for path in paths]
    assert [each["frame"] for each in audits(scene)] == [len(VIEWS)] * len(paths)


def test_what_a_node_with_something_to_show_says_is_text_in_all_views(tmp_path: Path) -> None:
    own = [*signed_in(ALICE, secret(1)), *through(*VIEWS)]
    with answering_node(tmp_path) as node:
        scenes = shown(node.view, [*view("network"), *through(*VIEWS)], own, rewrite=every_text(KEPT))
    for scene in scenes:
        assert_harmless(scene, *VIEWS)
        assert sum(each for each in scene.notes if isinstance(each, int)) > 10, "it is shown, as text"


def test_what_a_node_says_of_a_crisis_is_text() -> None:
    steps = [*signed_in(BOB, secret(2)), *through("account", "risk")]
    (scene,) = shown(CrisisView(), steps, rewrite=every_text(KEPT))
    assert_harmless(scene, "account", "risk")


@pytest.mark.parametrize("shaped", [False, True], ids=["texts", "figures-too"])
def test_each_string_that_a_schema_has_room_for_is_only_text(shaped: bool) -> None:
    """One of everything that answers can hold. Where a figure must be, none can be drawn; the page stays."""
    anonymous: list[Step] = [["open", "/"], ["see", "nav a", "Risk"], *through(*VIEWS)]
    fields: list[Step] = [["fill", "#account", "1"], ["fill", "#key", secret(1).hex()], ["click", "button.main"]]
    entered: list[Step] = [*view("account"), *fields, ["see", "h2", "Account 1"], *through(*VIEWS)]
    for scene in shown(PageView(), anonymous, entered, rewrite=made_answers(shaped=shaped)):
        assert_harmless(scene, *VIEWS)


def test_the_audit_finds_a_text_that_is_written_as_a_part_of_the_document() -> None:
    """What a page would do that trusts an answer: the text of a cell is taken for its HTML."""
    hole: Step = ["evaluate", "for (const cell of document.querySelectorAll('td')) cell.innerHTML = cell.textContent"]
    steps: list[Step] = [*view("network"), ["see", "td", "onerror"], AUDIT, hole, AUDIT]
    with served_api(PageView(), now_ms, rewrite=every_text(KEPT), requests_burst=100_000) as url:
        (scene,) = drive(url, steps)
    before, after = audits(scene)
    assert before["found"] == []
    assert {"IMG", "IFRAME", "onerror", "onload", "inline script"} <= set(after["found"])
    assert "href=javascript:window.owned=1" in after["found"]
