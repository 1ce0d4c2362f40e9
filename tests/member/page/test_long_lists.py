"""Lists of a node that has run for long, or that never ends them: the page shows the newest, and asks for no more."""

from collections.abc import Sequence

import pytest

from clearing.schema.receipts.accounts import CashTransferred
from member.api.receipts import ReceiptAt
from node.store.records import PackageRecord, ReceiptsAsked
from tests.kit.clearing.genesis import ALICE
from tests.kit.clearing.signer import secret
from tests.kit.member.driven_page import Step, signed_in, view
from tests.kit.member.page_view import PageView, shown
from tests.kit.node.receipt_page import page_of_receipts

pytestmark = pytest.mark.usefixtures("built_page")
HEIGHTS = 3_000
SHOWN = 50
PACKAGES = "table:has(caption:text('Epoch packages')) tbody tr"
RECEIPTS = "table:has(caption:text('Receipts')) tbody"


class LongView(PageView):
    """A receipt in each of 3,000 heights, and packages of as many epochs, of which it names more however many were
    asked for."""

    def receipts(self, key: int, page: ReceiptsAsked) -> Sequence[ReceiptAt]:
        found = [ReceiptAt(height, 0, CashTransferred(height, 1, 2, 1, 5, height)) for height in range(1, HEIGHTS + 1)]
        return page_of_receipts(found, page)

    def packages(self, after: int, limit: int) -> Sequence[PackageRecord]:
        return [PackageRecord(at, 10 * at, "", 7, bytes(32)) for at in range(after + 1, after + 1 + limit)]

    def newest_package(self) -> int:
        return HEIGHTS


def test_the_newest_receipts_of_a_long_list_are_shown() -> None:
    steps: list[Step] = [*signed_in(ALICE, secret(1)), ["see", RECEIPTS, "3,000"], ["text", RECEIPTS]]
    (scene,) = shown(LongView(), steps)
    heights = [line.split("\t")[0] for line in scene.notes[-1].splitlines() if line.count("\t") > 1]
    assert heights == [f"{HEIGHTS - at:,}" for at in range(SHOWN)]


def test_a_list_of_packages_that_never_ends_is_shown_by_its_newest_epochs() -> None:
    (scene,) = shown(LongView(), [*view("solvency"), ["see", PACKAGES, "3,000"], ["count", PACKAGES]])
    assert scene.notes[-1] == SHOWN
