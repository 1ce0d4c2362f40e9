"""Epochs are numbered from 1, and each closes at a height of its own: no chain has one of another kind."""

from typing import Any

import pytest

from member.verifying.exits import block_of, read_exit_file, verify_exit
from member.verifying.package import TrustAnchor
from proofs.errors import ProofCode
from proofs.onchain.file import check_account_file, write_file
from proofs.verify.package_verifier import verify_package
from tests.kit.proofs.made_exits import HEIGHT, made_exit_file
from tests.kit.proofs.negatives.making import SMALL, certified, frozen, read, replace
from tests.kit.proofs.negatives.of_onchain import account_under, derived
from tests.kit.proofs.second_verifier import SecondVerifier
from tests.kit.refusals import refused


def of_epoch(epoch: int) -> bytes:
    """The small market's package of height 40, as a quorum certifies it for an epoch."""
    return certified({"statement": replace(read().statement, epoch=epoch)}, epoch=epoch)


@pytest.mark.parametrize(("epoch", "possible"), [(0, False), (1, True), (40, True), (41, False), (2**63 - 1, False)])
def test_an_epoch_is_at_least_one_and_at_most_its_height(second: SecondVerifier, epoch: int, possible: bool) -> None:
    data = of_epoch(epoch)
    roots = {check.name: check for check in verify_package(data).checks}["roots"]
    answer: dict[str, Any] = {check["name"]: check for check in second.ask(file=data)["checks"]}["roots"]
    assert (roots.ok, answer["ok"]) == (possible, possible), (roots, answer)
    if not possible:
        assert roots.code is not None
        assert roots.code.name == "EPOCH_IMPOSSIBLE"
        assert answer["code"] == "R0762 epoch_impossible"


@pytest.mark.parametrize(("epoch", "possible"), [(0, False), (1, True), (HEIGHT, True), (HEIGHT + 1, False)])
def test_so_is_that_of_an_exit_file(second: SecondVerifier, epoch: int, possible: bool) -> None:
    data = made_exit_file(10, epoch)
    file = read_exit_file(data)
    report = verify_exit(file, len(data), TrustAnchor(), block_of(file))
    answer = second.ask(exit=data)
    assert (report.ok, answer["ok"]) == (possible, possible), (report, answer)
    if not possible:
        last = answer["checks"][-1]
        assert (report.checks[-1].name, last["name"], last["code"]) == ("root", "root", "R0762 epoch_impossible")


@pytest.mark.parametrize(("epoch", "possible"), [(0, False), (1, True), (40, True), (41, False), (2**63 - 1, False)])
def test_so_are_keys_that_nobody_certified(second: SecondVerifier, epoch: int, possible: bool) -> None:
    """Who checks one account alone cannot know the keys, but knows that no chain has them."""
    shown = account_under(replace(derived().keys, epoch=epoch))
    answer = second.ask(file=frozen(SMALL), onchain_account=write_file(shown))
    assert answer["ok"] == possible, answer
    if possible:
        check_account_file(shown)
    else:
        assert (answer["checks"][-1]["name"], answer["checks"][-1]["code"]) == ("leaf", "R0762 epoch_impossible")
        with refused(ProofCode.EPOCH_IMPOSSIBLE):
            check_account_file(shown)
