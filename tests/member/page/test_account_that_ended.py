"""An account that ended is said to have ended, and when; no figure of it stands, and nothing can be asked for it."""

from collections.abc import Callable

import pytest

from clearing.schema.receipts.accounts import AccountClosed, AccountPorted
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BOB
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import World, funded, of_kind
from tests.kit.member.between_steps import between_steps
from tests.kit.member.driven_page import Scene, Step, signed_in
from tests.kit.member.page_view import PageView, shown
from tests.kit.node.fake_view import GOVERNED

pytestmark = pytest.mark.usefixtures("built_page")


def ended(world: World, account: int, end: Callable[[], object], words: str) -> Scene:
    """What the page shows of an account before and after it ended: its panel, then its forms and figures."""
    with between_steps(end=end) as at:
        steps: list[Step] = [*signed_in(account, secret(ALICE)), ["see", "#t-confirm", ""], at["end"]]
        forms: Step = ["count", "#equity, #t-confirm, #w-amount, #d-amount, #if-lots"]
        steps += [["see", "#closed", words], ["text", "#closed"], forms]
        steps += [["text", "main"]]
        (scene,) = shown(PageView(state=world.state), steps)
    return scene


def test_an_account_that_was_closed_shows_since_when_and_no_forms() -> None:
    world = funded(genesis=GOVERNED)
    account = world.open_account(ALICE)
    height = world.state.now.height

    def close() -> None:
        assert of_kind(world.block(world.closing(account)), AccountClosed)

    scene = ended(world, account, close, "This account is closed")
    *_, words, forms, whole = scene.notes
    assert f"after height {height}" in words
    assert "ported" not in words
    assert forms == 0
    assert "Sign out" in whole
    assert "Statements" in whole
    assert "R0848" not in whole


def test_a_clients_account_may_have_gone_to_another_member() -> None:
    world = funded(genesis=GOVERNED)

    def port() -> None:
        assert of_kind(world.block(world.porting(ALICE_CLIENT, BOB)), AccountPorted)

    scene = ended(world, ALICE_CLIENT, port, "was ported to another member")
    assert scene.notes[-2] == 0
