"""Every example of docs/explanation/verifying.md does what it says there."""

import doctest
import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
import trio

import proofs
from cli.main import run
from cli.options import MemberKey
from member.api.proofs import InclusionView

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "explanation" / "verifying.md").read_text()
PACKAGE = ROOT / "tests" / "vectors" / "proofs" / "v2" / "good" / "three-accounts.ccp"
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class MembersNode:
    """What a member's node answers about the page's account; how it does is tested with the node."""

    def __init__(self, holdings: str) -> None:
        self.holdings = {name: str(amount) for name, amount in json.loads(holdings).items()}

    async def inclusion(self, account: int, epoch: int) -> InclusionView:
        return InclusionView(
            epoch=epoch,
            height=40,
            account=account,
            seed="02" * 32,
            holdings=self.holdings,
            package=True,
            owner="0x" + "41" * 20,
        )


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the page is read in."""
    (tmp_path / "packages").mkdir()
    shutil.copy(PACKAGE, tmp_path / "epoch.ccp")
    shutil.copy(PACKAGE, tmp_path / "packages" / "epoch-000004.ccp")
    shutil.copy(PACKAGE.parent / "refuted.cci", tmp_path / "answer.cci")
    (tmp_path / "seed").write_text("02" * 32)
    (tmp_path / "seed").chmod(0o600)
    holdings = re.findall(r"`(\{\"cash:USD\".*?\})`", PAGE)[0]
    (tmp_path / "holdings.json").write_text(holdings)
    monkeypatch.setattr(MemberKey, "ask", lambda _, question: trio.run(question, MembersNode(holdings)))
    monkeypatch.setattr(MemberKey, "address", bytes([0x41]) * 20)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_pages_python_says_what_it_says(desk: Path) -> None:
    examples = "".join(blocks("python"))
    test = doctest.DocTestParser().get_doctest(examples, {}, "verifying.md", None, None)
    assert len(test.examples) > 30
    report: list[str] = []
    outcome = doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=report.append)
    assert outcome.failed == 0, "".join(report)


def test_the_pages_commands_print_what_it_shows(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    count = 0
    for block in blocks("console"):
        for command, expected in re.findall(r"^\$ crossclear (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
            code = int(command.partition(" # exits with ")[2] or 0)
            assert run(shlex.split(command, comments=True)) == code, command
            printed = capsys.readouterr().out
            if expected:
                assert doctest.OutputChecker().check_output(expected, printed, OPTIONS), printed
            count += 1
    assert count == 7


def test_the_page_names_every_check_of_a_package(package: bytes, market) -> None:
    own = proofs.OwnAccount(1, dict(market.HOLDINGS)[1], market.seeds()[1], market.owner(1))
    for check in proofs.verify_package(package, own=own).checks:
        assert f"| `{check.name}` |" in PAGE, check.name


def test_every_finding_of_a_history_is_on_the_page() -> None:
    for code in (*range(730, 735), 714, 715):
        found = proofs.ProofCode(code)
        assert f"`{found.label}` {found.name.lower()}" in PAGE


def test_the_library_is_what_it_says_and_each_name_is_there() -> None:
    assert sorted(proofs.__all__) == proofs.__all__
    for name in proofs.__all__:
        assert getattr(proofs, name).__name__ == name
        assert name in dir(proofs)
    with pytest.raises(AttributeError):
        _ = proofs.nothing_of_this_name  # type: ignore[attr-defined]
