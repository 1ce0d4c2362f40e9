"""Every verdict under a named set says that it may have retired, where nobody said when it was known to be in force.

A set that has retired loses nothing by signing another state, other keys or another list.
"""

from pathlib import Path

import pytest

from clearing.base import ed25519
from tests.kit.command_line import CommandLine
from tests.kit.member.packages import TRUST
from tests.kit.proofs import small_market
from tests.kit.proofs.made_exits import made_exit_file
from tests.kit.proofs.package_with_keys import written
from tests.kit.proofs.signed_answer import ALICE, NODE, answer_of

AT = ("--at", "2020-03-12T08:00:00Z")
KNOWN = ("--set-known-at", "2020-03-11T00:00:00Z")
TRUSTED = (*TRUST[:4], *AT)
WORDS = "That the trusted validator set was in force rests on the caller's word."


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return written(tmp_path_factory.mktemp("plain"), small_market.snapshot())


def test_an_exit_says_it(tmp_path: Path, cli: CommandLine) -> None:
    path = tmp_path / "exit.json"
    path.write_bytes(made_exit_file(10**13))
    asked = ("exit", "verify", path, *TRUSTED, "--output", "json")
    assert WORDS in cli(*asked).json["not_proven"]
    assert WORDS not in cli(*asked, *KNOWN).json["not_proven"]
    assert WORDS in cli("exit", "verify", path, *TRUSTED).out
    assert WORDS not in cli("exit", "verify", path, *AT).out, "where no set is trusted, the certificate is open"


@pytest.mark.parametrize("verb", ["check", "join"])
def test_keys_for_contracts_say_it(verb: str, files: tuple[Path, Path], tmp_path: Path, cli: CommandLine) -> None:
    package, keys = files
    out = [["--out", tmp_path / name] if verb == "join" else [] for name in ("1.cco", "2.cco", "3.cco")]
    asked = ("onchain", verb, keys, "--package", package, *TRUSTED)
    assert WORDS in cli(*asked, *out[0], "--output", "json").json["not_proven"]
    assert WORDS not in cli(*asked, *out[1], *KNOWN, "--output", "json").json["not_proven"]
    assert WORDS in cli(*asked, *out[2]).out


def test_an_accusation_says_it_and_names_the_network(
    files: tuple[Path, Path], tmp_path: Path, cli: CommandLine
) -> None:
    answer = tmp_path / "answer.cci"
    answer.write_bytes(answer_of(ALICE, NODE, bytes(32)))
    asked = ("proof", "accuse", answer, "--package", files[0], *TRUSTED)
    found = cli(*asked, "--output", "json", code=6).json
    assert "rests on the caller's word" in found["detail"]
    assert small_market.NETWORK.hex() in found["detail"]
    assert ed25519.public_key(NODE).hex() in found["detail"]
    assert "rests on the caller's word" not in cli(*asked, *KNOWN, code=6).out


def test_a_list_of_a_network_that_the_caller_does_not_name_is_no_evidence(
    files: tuple[Path, Path], tmp_path: Path, cli: CommandLine
) -> None:
    """The validators may run another network with the same keys, to try things out, where their lists mean nothing."""
    answer = tmp_path / "answer.cci"
    answer.write_bytes(answer_of(ALICE, NODE, bytes(32)))
    found = cli("proof", "accuse", answer, "--package", files[0], *AT, *TRUST[2:4], "--output", "json", code=6).json
    assert (found["contradicted"], found["anchored"]) == (True, False)
    assert "network" in found["detail"]
