"""What the commands bring a member of its own passes the checks that trust nothing but genesis: inclusion and exits."""

import json
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.base.errors import RemoteFault
from clearing.epochs.exit_tree import NO_EXITS
from cli.main import run
from member.codes import NodeCode
from member.notation.listing import Listing
from member.printing.exits import exit_lines
from member.verifying.exits import block_of, exit_file, read_exit_file, verify_exit
from member.verifying.package import TrustAnchor
from node.api.view import NodeView
from tests.kit.clearing.signer import secret
from tests.kit.command_line import CommandLine
from tests.kit.node.closed_epoch import closed_epoch
from tests.kit.node.keeping_view import FAKE_OWNERS, seed_of
from tests.kit.node.live_view import run_against
from tests.kit.node.recorded import Recorded
from tests.kit.node.station import secret_file, time_of

MEMBER, CLIENT = 1, 4
"""Accounts of member 1; the second is empty."""
Output = pytest.CaptureFixture[str]


@dataclass(frozen=True)
class Place:
    """A node of one validator that has closed and proven an epoch; genesis, package and blocks in files."""

    view: NodeView
    log: Recorded
    package: Path
    key: Path

    @property
    def genesis(self) -> list[str]:
        return self.log.genesis_options

    def exit_show(self, *more: str) -> int:
        """`crossclear exit show` against a socket."""
        return run_against(self.view, "exit", "show", "--secret-file", str(self.key), *more)

    def proof_inputs(self, out: Path, *more: str) -> int:
        """`crossclear proof inputs` of account 1 against a socket."""
        options = ["--secret-file", str(self.key), "--out", str(out), *(more or ("--account", "1"))]
        return run_against(self.view, "proof", "inputs", *options)

    def write_exit(self, out: Path) -> dict[str, Any]:
        """The file of the member's exit, made from the blocks."""
        assert run(["exit", "show", str(MEMBER), "--out", str(out), *self.log.options]) == 0
        return json.loads(out.read_text())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("place")
    with closed_epoch(folder) as closed:
        yield Place(closed.view, closed.log, closed.package, secret_file(folder / "key", secret(1)))


@pytest.fixture(scope="module", autouse=True)
def in_time() -> Iterator[None]:
    """The clock of the commands is that of the chain, whose genesis is years old."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("cli.verdict_options.now_ms", lambda: time_of(100))
        yield


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "own"


@pytest.mark.parametrize("epoch", ["latest", "1"])
def test_inputs_that_the_command_writes_pass_the_inclusion_check(
    place: Place, epoch: str, out: Path, capsys: Output, cli: CommandLine
) -> None:
    assert place.proof_inputs(out, "--account", "1", "--epoch", epoch) == 0
    printed = capsys.readouterr()
    assert "your own records" in printed.err
    assert "/v1/proofs/1" in printed.err
    assert seed_of(1).hex() not in printed.out + printed.err
    assert [stat.S_IMODE((out / name).stat().st_mode) for name in ("seed", "holdings.json")] == [0o600, 0o600]
    assert (out / "owner").read_text().strip() == "0x" + FAKE_OWNERS[1].hex()
    true = json.loads((out / "holdings.json").read_text())
    assert sorted(true.values()) == ["1000000", "9000"]
    accused = cli("proof", "accuse", str(out / "answer.cci"), "--package", place.package, *place.genesis, code=6)
    assert "the leaf that is in the list" in accused.out
    own = ["--account", "1", "--owner", str(out / "owner")]
    own += ["--seed-file", str(out / "seed"), "--holdings", str(out / "holdings.json")]
    verify = ["verify", place.package, *own, *place.genesis]
    assert "ok   inclusion" in cli(*verify).out
    for name, amount in true.items():
        (out / "holdings.json").write_text(json.dumps({**true, name: str(int(amount) + 1)}))
        last = cli(*verify, "--output", "json", code=6).json["checks"][-1]
        assert (last["name"], last["ok"]) == ("inclusion", False)


def test_the_command_for_inputs_overwrites_nothing(place: Place, out: Path) -> None:
    out.mkdir(mode=0o700)
    (out / "holdings.json").write_text("{}")
    assert place.proof_inputs(out) == 7
    assert [path.name for path in out.iterdir()] == ["holdings.json"]


@pytest.mark.parametrize(
    ("more", "code"),
    [(["--account", "1", "--epoch", epoch], 2) for epoch in ("-1", "newest", "1" * 19, "\u00b2")]
    + [(["--account", "2"], 1)],
)
def test_inputs_of_no_epoch_or_of_another_member_are_not_written(
    place: Place, out: Path, more: list[str], code: int
) -> None:
    assert place.proof_inputs(out, *more) == code
    assert not out.exists()


@pytest.mark.parametrize("command", [["proof", "inputs", "--account", "1"], ["exit", "show", "1"]])
def test_nothing_is_asked_in_clear(place: Place, out: Path, command: list[str], cli: CommandLine) -> None:
    words = [*command, "--url", "http://node.example.org:26680", "--secret-file", place.key, "--out", out]
    assert NodeCode.API_IN_CLEAR.label in cli(*words, code=7).err
    assert not out.exists()


def test_an_exit_that_a_node_shows_passes_the_check_by_genesis_alone(
    place: Place, out: Path, capsys: Output, cli: CommandLine
) -> None:
    assert place.exit_show(str(MEMBER), "--out", str(out)) == 0
    printed = capsys.readouterr()
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    file = read_exit_file(out.read_bytes())
    assert [each.amount for each in file.exit.leaves] == ["9000", str(10**18)]
    assert all(each.salt not in printed.out + printed.err for each in file.exit.leaves)
    verdict = cli("exit", "verify", out, *place.genesis).out
    assert verdict.startswith("Every check is complete.")
    assert "ok   certificate" in verdict
    assert "if everything ended at this epoch" in verdict
    assert "nothing but the file itself" not in verdict
    assert "nothing but the file itself" in cli("exit", "verify", out).out
    assert place.exit_show(str(MEMBER), "--out", str(out)) == 7, "never overwritten"
    assert place.exit_show("2") == 1, "of another member"
    assert place.exit_show(str(CLIENT)) == 0
    assert "nothing to take out" in capsys.readouterr().out


def test_an_exit_is_asked_for_by_name_and_shown_in_units(place: Place, capsys: Output, cli: CommandLine) -> None:
    def shown(account: str, *, by_log: bool) -> str:
        if by_log:
            return cli("exit", "show", account, *place.log.options).out
        assert place.exit_show(account) == 0
        return capsys.readouterr().out

    for by_log in (False, True):
        text = shown("member-1", by_log=by_log)
        assert text == shown(str(MEMBER), by_log=by_log)
        assert text.startswith(f"member-1 (account {MEMBER}) at epoch 1")
        assert "0.009 USDC-1 (9000 of 0x" in text
        assert "1.00 WETH-1 (1000000000000000000 of 0x" in text
    assert place.exit_show("nobody") == 2
    cli("exit", "show", "nobody", *place.log.options, code=2)


def test_the_blocks_alone_give_the_same_file(place: Place, out: Path, tmp_path: Path, cli: CommandLine) -> None:
    tmp_path.chmod(0o755)
    assert place.exit_show(str(MEMBER), "--out", str(out)) == 0
    place.write_exit(tmp_path / "made.json")
    assert (tmp_path / "made.json").read_bytes() == out.read_bytes()
    assert stat.S_IMODE((tmp_path / "made.json").stat().st_mode) == 0o600, "in a folder that is open"
    assert "R0840" in cli("exit", "show", MEMBER, "--epoch", "7", *place.log.options, code=1).err


def test_a_light_store_is_trust_enough(place: Place, out: Path, tmp_path: Path, cli: CommandLine) -> None:
    place.write_exit(out)
    light = ["--store", str(tmp_path / "light.sqlite"), "--trusting-period-s", str(10**9)]
    assert run_against(place.view, "light", "follow", "--once", *light, *place.genesis) == 0
    assert run_against(place.view, "light", "verify", "5", *light) == 0
    verdict = cli("exit", "verify", out, "--light-store", light[1]).out
    assert "light_client" in verdict
    assert "the header of height 5 is trusted" in verdict


def test_a_file_is_checked_before_headers_carry_its_root(place: Place, out: Path, cli: CommandLine) -> None:
    file = place.write_exit(out)
    assert place.view.state.now.epoch == 1
    assert (file["exit"]["epoch"], file["exit"]["header_epoch"]) == (1, 0)
    assert block_of(read_exit_file(out.read_bytes())).header.exit_root == NO_EXITS
    cli("exit", "verify", out, *place.genesis)


def test_the_command_says_which_tree_vaults_pay_by(place: Place, out: Path) -> None:
    place.write_exit(out)
    view = read_exit_file(out.read_bytes()).exit
    for epoch, header_epoch, said in (
        (1, 0, "once epoch 2 has closed, until then by none: they give deposits back"),
        (8, 7, "once epoch 9 has closed, until then by the tree of epoch 7"),
        (7, 7, "in headers now"),
        (6, 7, "pay by the tree of epoch 7, and no longer by this one"),
    ):
        replaced = msgspec.structs.replace(view, epoch=epoch, header_epoch=header_epoch)
        assert said in exit_lines(replaced, Listing(place.log.home.genesis, {}))


LIES: dict[str, Any] = {
    "amount": "9001",
    "salt": "0x" + "00" * 32,
    "to": "0x" + "66" * 20,
    "vault": "0x" + "66" * 20,
    "token": "0x" + "66" * 20,
    "chain_id": 7,
    "index": 1,
    "path": [],
}


@pytest.mark.parametrize("field", [*LIES, "account", "leaf_count", "height", "epoch", "twice", "none"])
def test_an_exit_that_differs_anywhere_is_refused(place: Place, field: str, out: Path, cli: CommandLine) -> None:
    file = place.write_exit(out)
    if field in LIES:
        assert file["exit"]["leaves"][0][field] != LIES[field]
        file["exit"]["leaves"][0][field] = LIES[field]
    elif field in ("twice", "none"):
        file["exit"]["leaves"] *= 2 if field == "twice" else 0
    else:
        file["exit"][field] += 1
    out.write_text(json.dumps(file))
    verdict = cli("exit", "verify", out, *place.genesis, "--output", "json", code=6).json
    assert (verdict["ok"], verdict["claim"]) == (False, "")
    assert verdict["checks"][-1]["name"] == ("root" if field in ("epoch", "height", "leaf_count") else "leaves")


def test_a_set_that_has_retired_vouches_for_no_exit(place: Place, out: Path, cli: CommandLine) -> None:
    """Its keys may be anybody's by now, and sign a state with another tree."""
    place.write_exit(out)
    later = "2099-01-01T00:00:00Z"
    verify = ["exit", "verify", out, *place.genesis, "--output", "json"]
    (check,) = cli(*verify, "--at", later, code=6).json["checks"]
    assert (check["name"], check["code"]) == ("certificate", "R0758 set_expired")
    assert cli(*verify, "--at", later, "--set-known-at", later).json["ok"]


def test_validators_that_are_not_trusted_convince_nobody(place: Place, out: Path, cli: CommandLine) -> None:
    place.write_exit(out)
    verify = ["exit", "verify", out, "--validators-hash", "11" * 32, "--output", "json"]
    assert [each["name"] for each in cli(*verify, code=6).json["checks"]] == ["certificate"]
    file = read_exit_file(out.read_bytes())
    block = block_of(file)
    forged = msgspec.structs.replace(block, header=msgspec.structs.replace(block.header, module_roots=()))
    assert [each.ok for each in verify_exit(file, 1, TrustAnchor(), forged).checks] == [False]


@given(st.binary(max_size=400))
def test_bytes_that_are_no_exit_file_are_refused(data: bytes) -> None:
    with pytest.raises(RemoteFault):
        read_exit_file(data)


def test_a_block_that_is_none_is_refused(place: Place, out: Path, cli: CommandLine) -> None:
    place.write_exit(out)
    file = read_exit_file(out.read_bytes())
    out.write_bytes(msgspec.json.encode(exit_file(file.exit, b"\xc1")))
    cli("exit", "verify", out, code=6)
