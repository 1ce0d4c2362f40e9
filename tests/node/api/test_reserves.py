"""What vaults have and owe is what the packages here state, each read once."""

import msgspec
import pytest

from member.api.reserves import ReservesView
from node.api.view import PackageAt
from proofs.epoch.package import read_package
from tests.kit.member.page_view import PACKAGE, PageView
from tests.kit.node.fake_view import client_of
from tests.kit.proofs.browser_page import GOOD


class CountingView(PageView):
    read = 0

    def package(self, epoch: int | None) -> PackageAt | None:
        self.read += 1
        return super().package(epoch)


async def reserves(view: PageView) -> ReservesView:
    async with client_of(view) as client:
        answer = await client.get("/v1/reserves")
    assert answer.status_code == 200
    return msgspec.json.decode(answer.content, type=ReservesView)


async def test_the_figures_are_those_of_the_package() -> None:
    found = await reserves(PageView())
    (epoch,) = found.epochs
    terms = read_package(PACKAGE).statement.custody
    assert (epoch.epoch, epoch.height, len(epoch.tokens)) == (1, 10, len(terms))
    for shown, term in zip(epoch.tokens, terms, strict=True):
        assert shown.claims_amount == str(term.held * term.unit)
        assert shown.owed_amount == str(term.owed) == str(term.accounted)
        assert shown.balance_amount == str(int.from_bytes(term.balance, "big"))


async def test_epochs_rise_and_a_package_that_cannot_be_read_is_left_out() -> None:
    other = (GOOD / "three-accounts.ccp").read_bytes()
    found = await reserves(PageView([PACKAGE, b"of another release", other]))
    assert [each.epoch for each in found.epochs] == [1, 3]


async def test_a_package_is_read_once() -> None:
    view = CountingView([(GOOD / name).read_bytes() for name in ("every-rule.ccp", "every-charge.ccp")])
    first = await reserves(view)
    assert (view.read, await reserves(view), view.read) == (2, first, 2)


@pytest.mark.parametrize("kept", [0, 70])
async def test_the_newest_epochs_are_shown(kept: int) -> None:
    found = await reserves(PageView([PACKAGE] * kept))
    assert [each.epoch for each in found.epochs] == list(range(max(kept - 63, 1), kept + 1))
