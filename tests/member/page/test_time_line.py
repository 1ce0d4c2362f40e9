"""Epochs stand along time: with a package, verified in this browser, refused by it, or with no package at this node."""

from collections.abc import Sequence

import msgspec
import pytest

from clearing.base.hashing import sha256
from clearing.base.header import Header
from consensus.light_client import LightBlock
from node.api.view import PackageAt
from node.store.records import PackageRecord
from tests.kit.member.driven_page import NARROW, Step, view
from tests.kit.member.page_view import PACKAGE, PageView, shown
from tests.kit.node.fake_view import NOW, decided_blocks

pytestmark = pytest.mark.usefixtures("built_page")
CLOSED = 5
"""The newest epoch that closed."""
LIST = "table:has(caption:text('Epochs along time')) tbody"


def hour(number: int) -> int:
    """Milliseconds since 1970, on a day of the network's."""
    return NOW + number * 3_600_000


class EpochsView(PageView):
    """Of five closed epochs it has 1, 2 and 4, and sends for 2 the package of 4. Epochs are an hour long."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = {1: PACKAGE, 2: PACKAGE, 4: PACKAGE}

    def packages(self, after: int, limit: int) -> Sequence[PackageRecord]:
        listed = [
            PackageRecord(at, 10 * at, "", len(each), sha256(each)) for at, each in self.kept.items() if at > after
        ]
        return listed[:limit]

    def newest_package(self) -> int:
        return max(self.kept)

    def package(self, epoch: int | None) -> PackageAt | None:
        at = max(self.kept) if epoch is None else epoch
        return PackageAt(at, 10 * at, bytes(32), self.kept[at]) if at in self.kept else None

    @property
    def newest(self) -> Header | None:
        return msgspec.structs.replace(decided_blocks()[-1].header, epoch=CLOSED, time_ms=hour(6))

    def light_block(self, height: int | None) -> LightBlock | None:
        block = decided_blocks()[-1]
        if height is None or height % 10:
            return super().light_block(height)
        header = msgspec.structs.replace(block.header, height=height, time_ms=hour(height // 10))
        return msgspec.structs.replace(block, header=header)


TO_LIST: list[Step] = [["see", ".time-line", "epoch 1"], ["click", "summary:has-text('as a list')"]]


def test_each_epoch_has_a_mark_at_its_time_and_says_how_it_stands() -> None:
    verify: list[Step] = [
        ["fill", "#age", ""],
        ["click", "button[aria-label='Verify epoch 4']"],
        ["see", "td", "VERIFIED IN PART"],
        ["click", "button[aria-label='Verify epoch 2']"],
        ["see", "td", "The node sent the package of epoch 4."],
    ]
    places = "[...document.querySelectorAll('.time-line circle')].map((each) => Number(each.getAttribute('cx')))"
    read: list[Step] = [["text", LIST], ["evaluate", places], ["evaluate", LABEL]]
    (scene,) = shown(EpochsView(), [*view("solvency"), *TO_LIST, ["text", LIST], *verify, *read])
    before, after, at, label = scene.notes[-9], *scene.notes[-3:]
    kinds = [line.split("\t")[2] for line in before.splitlines()]
    assert kinds == ["no package here", "proven", "no package here", "proven", "proven"]
    rows = [line.split("\t") for line in after.splitlines()]
    assert [(int(row[0]), row[2]) for row in rows] == [
        (5, "no package here"),
        (4, "verified in part here"),
        (3, "no package here"),
        (2, "refused here"),
        (1, "proven"),
    ]
    assert [row[1].startswith("about") for row in rows] == [True, False, True, False, False]
    assert at[1] - at[0] == pytest.approx(3 * (720 - 48) / 5), "three hours of the five since the first mark"
    assert label.startswith("Epochs 1 to 5, ")
    assert label.endswith(": 1 proven, 1 verified in part here, 1 refused here, 2 no package here")


LABEL = "document.querySelector('.time-line').getAttribute('aria-label')"


def test_the_time_line_is_reached_by_the_keyboard_and_accessible_in_the_dark_on_a_narrow_screen() -> None:
    focus = "document.querySelector('[aria-label=\"Time line of epochs\"]')"
    reached: Step = ["evaluate", f"({focus}.focus(), document.activeElement === {focus})"]
    steps: list[Step] = [*view("solvency"), *TO_LIST, reached, ["axe"], ["width"]]
    for scene in shown(EpochsView(), {"steps": steps}, {"viewport": NARROW, "dark": True, "steps": steps}):
        is_reached, findings, beyond = scene.notes[-3:]
        assert is_reached
        assert [each for each in findings if each["impact"] in ("serious", "critical")] == []
        assert beyond == 0


def test_a_time_that_did_not_come_is_asked_for_again() -> None:
    steps: list[Step] = [*view("solvency"), *TO_LIST, ["see", ".time-line", "epoch 1"], ["text", LIST]]
    (scene,) = shown(EpochsView(), {"late": {"/v1/headers/": ["lost"] * 3}, "steps": steps})
    assert scene.notes[-1].count("proven") == 3
