"""What a member keeps of its account: the exit file, statements; and the history of reserves that anybody sees."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from member.api.statements import MemberStatement
from member.verifying.exits import read_exit_file
from node.api.view import NodeView
from node.epochs.member_files import AccountExit
from tests.kit.clearing.genesis import ALICE
from tests.kit.clearing.signer import secret
from tests.kit.member.driven_page import Step, signed_in, view
from tests.kit.member.page_view import PACKAGE, PageView, shown
from tests.kit.node.answering_node import answering_node

pytestmark = pytest.mark.usefixtures("built_page")
TO_SOLVENCY: list[Step] = [["click", "nav a:has-text('Solvency')"], ["see", "h2", "Exit file"]]
SAVE = "button:has-text('Save the exit file')"


@pytest.fixture
def node_view(tmp_path: Path) -> Iterator[NodeView]:
    with answering_node(tmp_path) as node:
        yield node.view


def test_the_exit_file_is_the_one_that_the_command_reads(node_view: NodeView) -> None:
    steps: list[Step] = [*signed_in(ALICE, secret(1)), *TO_SOLVENCY, ["save", SAVE], ["see", "#exit", "under the root"]]
    (scene,) = shown(node_view, [*steps, ["count", "#exit tbody tr"]])
    *_, text, _, payments = scene.notes
    file = read_exit_file(text.encode())
    assert file.exit.account == ALICE
    assert payments == len(file.exit.leaves) > 0


def test_a_payment_that_is_not_under_the_root_is_not_saved(node_view: NodeView) -> None:
    exits = node_view.exits
    assert exits is not None

    class Changed:
        epochs = exits.epochs

        def own(self, account: int, owner: bytes | None, epoch: int) -> AccountExit | None:
            found = exits.own(account, owner, epoch)
            assert found is not None
            first, *others = found.leaves
            larger = replace(first, leaf=replace(first.leaf, amount=first.leaf.amount + 1))
            return replace(found, leaves=(larger, *others))

    node_view.exits = Changed()  # type: ignore[assignment]
    steps: list[Step] = [*signed_in(ALICE, secret(1)), *TO_SOLVENCY, ["click", SAVE]]
    (scene,) = shown(node_view, [*steps, ["see", ".problem", "not under the root"], ["count", "#exit"]])
    assert scene.notes[-1] == 0


def test_a_statement_of_a_day_is_shown_and_saved(node_view: NodeView) -> None:
    show, save = (f"button[aria-label^='{each} the statement']" for each in ("Show", "Save"))
    shows: list[Step] = [["click", show], ["see", "#statement", "Account 1"]]
    steps = [*signed_in(ALICE, secret(1)), *shows, ["save", save]]
    (scene,) = shown(node_view, [*steps, ["text", "#statement table:has(caption:text('Balances')) tbody"]])
    statement = msgspec.json.decode(scene.notes[-2], type=MemberStatement)
    (own, *_) = statement.accounts
    assert own.account == ALICE
    assert f"{int(own.balances[0].closing) / 1e6:,.2f}" in scene.notes[-1]


def test_a_day_that_the_node_does_not_keep_is_refused_in_words(node_view: NodeView) -> None:
    last = ["click", "tr:last-child button[aria-label^='Show the statement']"]
    (scene,) = shown(node_view, [*signed_in(ALICE, secret(1)), last, ["see", ".problem", "R08"]])
    assert any(each.startswith("404 /v1/statements/") for each in scene.refused)


def test_reserves_are_shown_against_what_is_owed_epoch_by_epoch() -> None:
    steps: list[Step] = [*view("solvency"), ["see", "caption", "Reserves at epoch 3"], ["count", ".chart canvas"]]
    (scene,) = shown(PageView([PACKAGE] * 3), [*steps, ["text", "table:has(caption:text('Reserves')) tbody"]])
    *_, charts, rows = scene.notes
    assert charts == 2, "one for each token of the package"
    assert rows.count("100%") == 2
