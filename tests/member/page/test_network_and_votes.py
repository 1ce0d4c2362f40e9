"""Chains, reports and rounds as validators agree on them, and what a vote would do to the reader's own accounts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from node.api.observed import observed_of
from node.api.view import NodeView
from tests.kit.clearing.genesis import ALICE
from tests.kit.clearing.signer import secret
from tests.kit.member.between_steps import between_steps
from tests.kit.member.driven_page import NARROW, Step, signed_in, view
from tests.kit.member.page_view import shown
from tests.kit.node.answering_node import answering_node
from tests.kit.oracle.two_sources import SECRET_URL, two_sources

pytestmark = pytest.mark.usefixtures("built_page")
ACCESSIBLE: list[Step] = [["axe"], ["width"]]


@pytest.fixture
def node_view(tmp_path: Path) -> Iterator[NodeView]:
    with answering_node(tmp_path) as node:
        yield node.view


def rows(caption: str) -> Step:
    return ["text", f"table:has(caption:text('{caption}')) tbody"]


def test_chains_and_feeds_are_those_that_validators_agree_on(node_view: NodeView) -> None:
    in_round = ".figure:has-text('Decided in round') dd"
    there: list[Step] = [["see", "h2", "Chains"], ["see", "td", "of 1"], ["see", in_round, "[0-9]"]]
    read: list[Step] = [rows("Chains"), rows("Agreed prices"), ["text", in_round]]
    (scene,) = shown(node_view, [*view("network"), *there, *read])
    chains, prices, decided = scene.notes[-3:]
    observed = observed_of(node_view.state)
    for chain in observed.chains:
        assert f"{chain.name} ({chain.chain_id})\t{chain.final_block}" in chains
    assert prices.count("1 of 1") == len([feed for feed in observed.feeds if feed.reporting])
    assert decided == "1"


def test_each_source_of_a_feed_is_shown_with_its_age_and_verdict(node_view: NodeView) -> None:
    node_view.feeds = lambda: two_sources().standings
    there: list[Step] = [*view("network"), ["see", "td", "usable"], rows("Sources of prices")]
    steps: list[Step] = [*there, *ACCESSIBLE, ["text", "main"]]
    (scene,) = shown(node_view, {"viewport": NARROW, "steps": steps})
    sources, findings, beyond, everything = scene.notes[-4:]
    feed = next(each.name for each in observed_of(node_view.state).feeds if each.feed == 1)
    assert sources.splitlines() == [
        f"{feed}\tgood\t1,500 ms\tusable",
        f"{feed}\tlost\tno price\tvenue unreachable (R0990)",
    ]
    assert [each for each in findings if each["impact"] in ("serious", "critical")] == []
    assert beyond == 0
    assert SECRET_URL not in everything


def test_a_node_without_sources_of_its_own_says_so(node_view: NodeView) -> None:
    shown(node_view, [*view("network"), ["see", "p.empty", "no sources of its own"]])


def test_the_effect_of_a_proposal_on_own_accounts_is_a_table(node_view: NodeView) -> None:
    there: list[Step] = [["click", "nav a:has-text('Governance')"], ["see", "h3", "Effect on your accounts"]]
    steps = [*signed_in(ALICE, secret(1)), *there, rows("Effect on your accounts"), *ACCESSIBLE]
    for scene in shown(node_view, {"viewport": NARROW, "steps": steps}):
        effect, findings, beyond = scene.notes[-3:]
        assert effect.startswith(f"{ALICE}\t")
        assert [each for each in findings if each["impact"] in ("serious", "critical")] == []
        assert beyond == 0


def test_each_proposal_has_its_own_effect(node_view: NodeView) -> None:
    """A node simulates one proposal a second, and refuses what else is asked then. A later proposal may take the place
    of an earlier one in the list."""
    numbers, answers = [1, 2], {"2": [429, 404], "3": [429] * 1000}

    def rewrite(path: str, status: int, value: Any) -> tuple[int, Any]:
        if path == "/v1/governance":
            value["proposals"] = [value["proposals"][0] | {"number": each} for each in numbers]
        *_, number, last = path.split("/")
        if last != "effect":
            return status, value
        if number == "1":
            effects.append((status, value))
            return status, value
        refusals = answers.get(number, [])
        if refusals:
            return refusals.pop(0), {"code": "R0838", "message": "R0838", "at": "effect", "remedy": "Later."}
        return effects[-1]

    effects: list[tuple[int, Any]] = []
    card = "article[aria-label='Proposal {}']"
    effect = "table:has(caption:text('Effect'))"
    to: list[Step] = [
        ["click", "nav a:has-text('Governance')"],
        ["see", f"{card.format(1)} h3", "Effect on your accounts"],
    ]
    second: list[Step] = [["click", f"{card.format(2)} button:has-text('Ask again')"]]
    second += [["see", f"{card.format(2)} h3", "Effect on your accounts"]]
    with between_steps(close=lambda: numbers.__setitem__(slice(2), [3])) as at:
        later: list[Step] = [at["close"], ["pass", 31_000], ["see", "h3", "Proposal 3"], ["wait", 300]]
        steps = [*signed_in(ALICE, secret(1)), *to, *second, *later, ["count", f"{card.format(3)} {effect}"]]
        (scene,) = shown(node_view, {"clock": True, "steps": steps}, rewrite=rewrite)
    assert scene.notes[-1] == 0
