"""A verdict stands beside what was verified, and beside nothing else: not beside another line of the node's, nor under
another trust."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clearing.base.hashing import sha256
from node.api.view import PackageAt
from node.store.records import PackageRecord
from tests.kit.member.driven_page import Step, view
from tests.kit.member.page_view import PageView, shown

pytestmark = pytest.mark.usefixtures("built_page")
VERIFY: list[Step] = [["fill", "#age", ""], ["click", "button[aria-label^='Verify epoch 4']"]]
_ASKED = "performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('/v1/proofs/4')).length"
FETCHED: Step = ["evaluate", _ASKED]
SEEN: Step = ["see", "h2", "Epoch 4: VERIFIED IN PART"]


class ListingView(PageView):
    """A node that lists its good package of epoch 4 as something else, from the start or once it has sent it."""

    def __init__(self, *, once_sent: bool = False, **listed: Any) -> None:
        super().__init__(first=4)
        self._listed, self._lies = listed, not once_sent

    def packages(self, after: int, limit: int) -> Sequence[PackageRecord]:
        changes = self._listed if self._lies else {}
        return [replace(each, **changes) for each in super().packages(after, limit)]

    def package(self, epoch: int | None) -> PackageAt | None:
        self._lies = True
        return super().package(epoch)


@pytest.mark.parametrize(
    ("listed", "words"),
    [
        ({"digest": sha256(b"the package of somebody else")}, "The node sent other bytes than it lists."),
        ({"height": 41}, "The node sent the package of height 40."),
    ],
)
def test_a_package_that_is_not_the_listed_one_is_not_called_verified(listed: dict[str, Any], words: str) -> None:
    """The line that reads VERIFIED has a hash and a height, by which the reader compares it with other people's."""
    (scene,) = shown(ListingView(**listed), [*view("solvency"), *VERIFY, ["see", ".mark", words], ["count", "#claim"]])
    assert scene.notes[-1] == 0


def test_what_a_node_lists_in_the_place_of_a_verified_package_is_not_checked() -> None:
    changing = ListingView(once_sent=True, digest=sha256(b"another package"))
    later: list[Step] = [["pass", 15_000], ["see", "td", "not checked"], ["count", "#claim"]]
    steps: list[Step] = [*view("solvency"), *VERIFY, SEEN, *later]
    (scene,) = shown(changing, {"clock": True, "steps": steps}, streams_max=0)
    assert scene.notes[-1] == 1, "the verdict on what was sent stays, under its own height and network"


@pytest.mark.parametrize("field", [["fill", "#set", "11" * 32], ["fill", "#age", "1"]])
def test_a_verdict_is_gone_when_other_things_are_trusted(field: Step) -> None:
    open_: Step = ["click", "summary:has-text('later validator set')"]
    steps: list[Step] = [*view("solvency"), open_, *VERIFY, SEEN, field, ["see", "td", "not checked"]]
    (scene,) = shown(PageView(first=4), [*steps, ["count", "#claim"]])
    assert scene.notes[-1] == 0


def test_a_field_that_says_nothing_is_no_refusal_of_a_package_and_a_genesis_that_was_taken_back_is_not_trusted(
    tmp_path: Path,
) -> None:
    (tmp_path / "none").write_bytes(b"{}")
    genesis: list[Step] = [["files", "#genesis", str(tmp_path / "none")], ["wait", 200], ["files", "#genesis", []]]
    click: Step = ["click", "button[aria-label^='Verify epoch 4']"]
    button = "document.querySelector(`button[aria-label^='Verify epoch 4']`)"
    again = f"new Promise((done) => setTimeout(() => done({button}.click())))"
    twice: Step = ["evaluate", f"({button}.click(), {again})"]
    said = ".mark:has-text('number of hours')"
    unsaid: list[Step] = [["fill", "#age", "1.000,5"], click, ["see", said, ""], ["attribute", said, "class"]]
    steps: list[Step] = [*view("solvency"), *genesis, *unsaid, ["fill", "#age", "1000000,5"], twice, SEEN, FETCHED]
    (scene,) = shown(PageView(first=4), {"locale": "de-DE", "steps": steps})
    assert scene.notes[-5] == "mark part", "in part, as nothing was checked"
    assert scene.notes[-1] == 1, "a second click begins no second check"
