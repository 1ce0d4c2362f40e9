"""What a member keeps of its account: the exit file, statements; and the history of reserves that anybody sees."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from clearing.base.codec import encode
from consensus.light_client import LightBlock
from member.api.statements import MemberStatement
from member.verifying.exits import exit_file, read_exit_file
from node.api.calls import owner_of
from node.api.proofs import exit_view
from node.api.view import NodeView
from node.epochs.member_files import AccountExit
from tests.kit.clearing.genesis import ALICE, USDC_1
from tests.kit.clearing.signer import secret
from tests.kit.member.driven_page import Step, signed_in, view
from tests.kit.member.page_view import PACKAGE, PageView, shown
from tests.kit.node.answering_node import answering_node
from tests.kit.node.closed_epoch import ClosedEpoch, closed_epoch
from tests.kit.proofs.made_exits import made_exit_file

pytestmark = pytest.mark.usefixtures("built_page")
TO_SOLVENCY: list[Step] = [["click", "nav a:has-text('Solvency')"], ["see", "h2", "Exit file"]]
SAVE = "button:has-text('Save the exit file')"


@pytest.fixture
def node_view(tmp_path: Path) -> Iterator[NodeView]:
    with answering_node(tmp_path) as node:
        yield node.view


@pytest.fixture(scope="module")
def epoch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClosedEpoch]:
    with closed_epoch(tmp_path_factory.mktemp("epoch")) as closed:
        yield closed


def trusting(epoch: ClosedEpoch) -> list[Step]:
    """The genesis of years ago, whose set is known to be in force now."""
    known = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M")
    fields: list[Step] = [["click", "summary:has-text('A later validator set')"], ["fill", "#known", known]]
    return [["files", "#genesis", epoch.log.genesis_options[1]], *fields]


CHECKS: Step = ["text", "#exit table:has(caption:text('Checks')) tbody"]


def test_the_exit_file_is_the_one_that_the_command_reads(epoch: ClosedEpoch) -> None:
    steps: list[Step] = [*signed_in(ALICE, secret(1)), *TO_SOLVENCY, ["save", SAVE], ["see", "#exit", "VERIFIED"]]
    payments = "#exit table:has(caption:text('Payments')) tbody tr"
    heads = "#exit table:has(caption:text('Payments'))"
    (scene,) = shown(
        epoch.view, [*steps, ["text", "#exit .mark"], ["count", payments], ["text", heads], ["text", "#exit ul"]]
    )
    *_, text, _, verdict, rows, shown_payments, not_proven = scene.notes
    first = read_exit_file(text.encode()).exit.leaves[0]
    assert f"{int(first.amount):,}" in shown_payments, (
        "base units: a node could say that a million of them is one, or one"
    )
    assert "As this node reads it" in shown_payments
    assert "this node's word" in not_proven
    file = read_exit_file(text.encode())
    assert file.exit.account == ALICE
    assert rows == len(file.exit.leaves) > 0
    assert verdict == "VERIFIED IN PART", "no genesis was given"


def test_with_the_genesis_an_exit_file_is_verified_down_to_the_certificate(epoch: ClosedEpoch) -> None:
    steps: list[Step] = [*signed_in(ALICE, secret(1)), *TO_SOLVENCY, *trusting(epoch), ["save", SAVE]]
    (scene,) = shown(epoch.view, [*steps, ["see", "#exit", "VERIFIED"], ["text", "#exit .mark"], CHECKS])
    assert scene.notes[-2] == "VERIFIED"
    assert [line.split("\t")[:2] for line in scene.notes[-1].splitlines()] == [
        [name, "passed"] for name in ("certificate", "root", "leaves", "totals")
    ]


def test_a_set_that_was_known_to_be_in_force_long_ago_vouches_for_no_exit(epoch: ClosedEpoch) -> None:
    only_genesis = trusting(epoch)[:1]
    steps = [*signed_in(ALICE, secret(1)), *TO_SOLVENCY, *only_genesis, ["click", SAVE]]
    (scene,) = shown(epoch.view, [*steps, ["see", "#exit", "NOT VERIFIED"], CHECKS])
    assert "R0758 set_expired" in scene.notes[-1]


def test_a_forged_exit_file_is_shown_as_bad(epoch: ClosedEpoch, tmp_path: Path) -> None:
    """A stranger's validators certify ten millions; and a true file with another amount."""
    exits = epoch.view.exits
    assert exits is not None
    own = exits.own(ALICE, owner_of(epoch.view.state, ALICE), 1)
    assert own is not None
    closing = next(each for each in epoch.log.blocks if each.block.header.height == own.height)
    validators = epoch.log.home.genesis.validators
    block = LightBlock(closing.block.header, closing.certificate, validators, validators)
    true = exit_file(exit_view(own, 1), encode(block))
    first, *others = true.exit.leaves
    larger = msgspec.structs.replace(first, amount=str(int(first.amount) + 1))
    changed = msgspec.structs.replace(true, exit=msgspec.structs.replace(true.exit, leaves=(larger, *others)))
    files = {
        "true": msgspec.json.encode(true),
        "changed": msgspec.json.encode(changed),
        "forged": made_exit_file(10**13),
        "none": b"{}",
    }
    begin: list[Step] = [*view("solvency"), *trusting(epoch)]
    read: list[Step] = [["see", "#exit", "VERIFIED"], ["text", "#exit"]]
    each: dict[str, list[Step]] = {}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        ends: list[Step] = [["see", "#exit-problem", "R0102"], ["count", "#exit"]] if name == "none" else read
        each[name] = [*begin, ["files", "#kept-exit", str(tmp_path / name)], *ends]
    good, amount, forged, none = (scene.notes[-1] for scene in shown(epoch.view, *each.values()))
    assert good.startswith("VERIFIED Account 1")
    assert amount.startswith("NOT VERIFIED")
    assert "R0130 bad_merkle_proof" in amount
    assert forged.startswith("NOT VERIFIED")
    assert "R0126 wrong_value: network" in forged
    assert none == 0


def true_exit_file(epoch: ClosedEpoch) -> bytes:
    exits = epoch.view.exits
    assert exits is not None
    own = exits.own(ALICE, owner_of(epoch.view.state, ALICE), 1)
    assert own is not None
    closing = next(each for each in epoch.log.blocks if each.block.header.height == own.height)
    validators = epoch.log.home.genesis.validators
    block = LightBlock(closing.block.header, closing.certificate, validators, validators)
    return msgspec.json.encode(exit_file(exit_view(own, 1), encode(block)))


@pytest.mark.parametrize("field", [["fill", "#set", "11" * 32], ["fill", "#known", "2020-01-01T00:00"]])
def test_the_verdict_on_a_kept_exit_file_is_gone_when_other_things_are_trusted(
    epoch: ClosedEpoch, tmp_path: Path, field: Step
) -> None:
    (tmp_path / "true").write_bytes(true_exit_file(epoch))
    steps: list[Step] = [*view("solvency"), *trusting(epoch), ["files", "#kept-exit", str(tmp_path / "true")]]
    drawn: Step = ["evaluate", "new Promise((done) => requestAnimationFrame(() => setTimeout(done, 100)))"]
    (scene,) = shown(epoch.view, [*steps, ["see", "#exit .mark", "^VERIFIED$"], field, drawn, ["count", "#exit"]])
    assert scene.notes[-1] == 0


HOLD_FIRST_CHECK = """(() => {
  const Started = Worker;
  window.Worker = class extends Started {
    postMessage(message, options) {
      if (window.firstIsOver !== undefined) return super.postMessage(message, options);
      window.firstIsOver = new Promise((done) =>
        this.addEventListener("message", ({ data }) => data.kind === "exit" && setTimeout(done, 100)));
      window.goOn = () => super.postMessage(message, options);
    }
  };
})()"""


def test_the_verdict_on_one_exit_file_does_not_come_beside_the_next_one(epoch: ClosedEpoch, tmp_path: Path) -> None:
    """Each check has a worker of its own, and that of a true file may answer after that of a false one."""
    (tmp_path / "true").write_bytes(true_exit_file(epoch))
    (tmp_path / "none").write_bytes(b"{}")
    steps: list[Step] = [*view("solvency"), *trusting(epoch), ["evaluate", HOLD_FIRST_CHECK]]
    steps += [["files", "#kept-exit", str(tmp_path / name)] for name in ("true", "none")]
    steps += [["see", "#exit-problem", "R0102"], ["evaluate", "goOn(), firstIsOver"], ["count", "#exit"]]
    (scene,) = shown(epoch.view, steps)
    assert scene.notes[-1] == 0


def test_a_payment_that_is_not_in_the_tree_is_not_saved(epoch: ClosedEpoch) -> None:
    exits = epoch.view.exits
    assert exits is not None

    class Changed:
        epochs = exits.epochs

        def own(self, account: int, owner: bytes | None, epoch: int) -> AccountExit | None:
            found = exits.own(account, owner, epoch)
            assert found is not None
            first, *others = found.leaves
            larger = replace(first, leaf=replace(first.leaf, amount=first.leaf.amount + 1))
            return replace(found, leaves=(larger, *others))

    saves = "window.saves = 0; HTMLAnchorElement.prototype.click = () => { window.saves += 1; }"
    steps: list[Step] = [*signed_in(ALICE, secret(1)), *TO_SOLVENCY, ["evaluate", saves], ["click", SAVE]]
    ends: list[Step] = [["see", "#exit", "VERIFIED"], ["text", "#exit .mark"], ["evaluate", "window.saves"]]
    (good,) = shown(epoch.view, [*steps, *ends])
    epoch.view.exits = Changed()  # type: ignore[assignment]
    try:
        (bad,) = shown(epoch.view, [*steps, *ends])
    finally:
        epoch.view.exits = exits
    assert good.notes[-2:] == ["VERIFIED IN PART", 1]
    assert bad.notes[-2:] == ["NOT VERIFIED", 0]


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
    first, last = (f"tr:{each}-child button[aria-label^='Show the statement']" for each in ("first", "last"))
    shows: list[Step] = [["click", first], ["click", last], ["see", ".problem", "R08"]]
    later: list[Step] = [["wait", 2_500], ["count", "#statement"]]
    steps = [*signed_in(ALICE, secret(1)), *shows, *later]
    (scene,) = shown(node_view, {"late": {"/v1/statements/": [2_000]}, "steps": steps})
    assert scene.notes[-1] == 0, "the day that was asked for before has no place any more"
    assert any(each.startswith("404 /v1/statements/") for each in scene.refused)


def test_reserves_are_shown_against_what_is_owed_epoch_by_epoch() -> None:
    steps: list[Step] = [*view("solvency"), ["see", "caption", "Reserves at epoch 3"], ["count", ".chart canvas"]]
    (scene,) = shown(PageView([PACKAGE] * 3), [*steps, ["text", "table:has(caption:text('Reserves')) tbody"]])
    *_, charts, rows = scene.notes
    assert charts == 2, "one for each token of the package"
    assert rows.count("100%") == 2


def test_deposits_so_far_are_listed_with_their_amount_and_step(node_view: NodeView) -> None:
    table = "table:has(caption:text('Deposits')) tbody"
    (scene,) = shown(node_view, [*signed_in(ALICE, secret(1)), ["see", "caption", "^Deposits$"], ["text", table]])
    (line,) = scene.notes[-1].splitlines()
    token, amount, number, height, step = line.split("\t")
    assert (token, amount, step) == (node_view.state.terms.assets[USDC_1].name, "100,000.0000", "credited")
    assert (number, height) == ("1", "3")


def test_an_exit_file_that_was_asked_for_under_another_trust_has_no_verdict(epoch: ClosedEpoch) -> None:
    late = {f"/v1/accounts/{ALICE}/exit": [1_500]}
    steps = [*signed_in(ALICE, secret(1)), *TO_SOLVENCY, *trusting(epoch), ["click", SAVE], ["fill", "#set", "11" * 32]]
    (scene,) = shown(epoch.view, {"late": late, "steps": [*steps, ["wait", 2_500], ["settle"], ["count", "#exit"]]})
    assert scene.notes[-1] == 0
