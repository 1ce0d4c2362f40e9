"""Names in a certified file may be anything; what commands print of them steers nobody and adds no line."""

import json
from pathlib import Path

import msgspec
import pytest

from clearing.margin.statement.rulebook import write_rulebook
from proofs.epoch.package import read_package
from proofs.verify.standalone_prover import prove_account
from proofs.verify.verdict import OwnAccount
from tests.kit.command_line import CommandLine
from tests.kit.member.hostile_text import HOSTILE, is_plain, strings_in
from tests.kit.member.packages import TRUST, own_account
from tests.kit.proofs import small_market
from tests.kit.proofs.cheated_package import signed_anew

replace = msgspec.structs.replace
PLACES = ("slots", "totals", "groups", "prices", "assumptions", "rules")


def hostile(package: Path, folder: Path, text: str, place: str) -> Path:
    """A package that a quorum certified with this text in names."""
    good = read_package(package.read_bytes())
    stated, path = good.statement, folder / "hostile.ccp"
    slots = tuple(replace(slot, name=f"{number}{text}{slot.name}") for number, slot in enumerate(stated.slots))
    rows = tuple(replace(row, name=f"{number}{text}") for number, row in enumerate(stated.rows))
    instruments = (replace(small_market.RULEBOOK.instruments[0], name=text, group=99),)
    changes = {
        "slots": {"slots": slots, "rows": rows},
        "totals": {"slots": slots, "totals": tuple(replace(total, total=1) for total in stated.totals)},
        "groups": {"groups": (text, f"{text}2")},
        "prices": {"prices": tuple(replace(price, name=f"settled:{text}{price.name}") for price in stated.prices)},
        "assumptions": {"assumptions": (text, *stated.assumptions)},
        "rules": {"rules": write_rulebook(replace(small_market.RULEBOOK, instruments=instruments))},
    }
    path.write_bytes(signed_anew(small_market, replace(good, statement=replace(stated, **changes[place]))))
    return path


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("what", HOSTILE)
def test_no_name_of_a_file_steers_a_terminal_or_a_reader(
    package: Path, tmp_path: Path, what: str, place: str, cli: CommandLine
) -> None:
    path = hostile(package, tmp_path, HOSTILE[what], place)
    own = OwnAccount(1, dict(small_market.HOLDINGS)[1], small_market.seeds()[1], small_market.owner(1))
    (tmp_path / "own.ccs").write_bytes(prove_account(read_package(package.read_bytes()), own))
    options = own_account(tmp_path, holdings='{"cash:USD": 1}')
    commands: list[list[object]] = [
        ["verify", path, *TRUST],
        ["verify", path, *options],
        ["proof", "history", path],
        ["proof", "verify", tmp_path / "own.ccs", "--package", path],
        ["onchain", "check", path, "--package", path],
    ]
    for words in commands:
        result = cli(*words, code=None)
        assert result.is_printable, words
        assert "\nok   certificate      header 1 is final" not in result.out + result.err, words
        found = cli(*words, "--output", "json", code=None)
        for printed in (found.out, found.err):
            assert not printed or all(map(is_plain, strings_in(json.loads(printed)))), words
    for words in (["proof", "show", path], ["proof", "show", path, "--raw"]):
        shown = cli(*words)
        assert shown.is_printable
        assert all(map(is_plain, strings_in(shown.json))), words


@pytest.mark.parametrize("what", HOSTILE)
def test_what_a_caller_types_is_repeated_on_one_line(what: str, cli: CommandLine) -> None:
    result = cli("explain", HOSTILE[what], code=None)
    assert result.is_printable
    assert result.err.count("\n") <= 2
    assert all(map(is_plain, strings_in(json.loads(cli("explain", HOSTILE[what], "--output", "json", code=2).err))))
