"""From the command line to the terms in force: propose, vote, show, try out, and nothing is signed blindly."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import trio

import cli.operator.governance as commands
import node.api.governance as routes
from clearing.base import bls
from clearing.base.errors import LocalFault, Rejected
from clearing.base.ids import NetworkId
from clearing.genesis.json import genesis_to_json
from clearing.genesis.paths import change_at
from clearing.governance.proposals import check_admission
from clearing.schema.blocks.receipt import Refused
from clearing.schema.requests.governance import EmergencyHalt, TermsAmendment, ValidatorsAmendment
from clearing.schema.terms.genesis import Genesis
from cli.main import run
from cli.output import ExitCode
from member.api.chain import ValidatorsView
from member.api.governance import GovernanceView
from member.api.submit import SubmitResult, SubmitResults
from member.client import ask
from member.keys.key_folder import KIND_OF, KeyKind, Purpose, new_password, write_key
from member.keys.keystore import Strength
from member.printing.governance import describe_amendment
from member.signing.governance import find_proposal, make_vote, read_value, terms_amendment
from node.api.calls import ApiCall, problem_of
from node.api.chain import validators_of
from node.api.governance import governance_of
from tests.kit.clearing.chamber import parliament_world
from tests.kit.clearing.genesis import BTC_PERP
from tests.kit.clearing.signer import envelope_secret, key_of, secret, validator
from tests.kit.clearing.world import World, of_kind


class Answers:
    """A node that decides a block of whatever it is handed."""

    def __init__(self, house: World) -> None:
        self.house = house
        self.lie: Callable[[GovernanceView], GovernanceView] = lambda view: view

    async def governance(self) -> GovernanceView:
        return self.lie(governance_of(self.house.state))

    async def terms(self) -> Genesis:
        return self.house.state.terms.genesis

    async def validators(self) -> ValidatorsView:
        return validators_of(self.house.state)

    async def submit(self, transactions: Sequence[Any]) -> SubmitResults:
        ruling = transactions[0]
        told = None if isinstance(ruling, EmergencyHalt) else check_admission(self.house.state, ruling)
        if isinstance(told, Rejected):
            return SubmitResults(results=(SubmitResult(hash=HASH, status="refused", problem=problem_of(told)),))
        refused = of_kind(self.house.block(*transactions), Refused)
        assert not refused, refused
        return SubmitResults(results=(SubmitResult(hash=HASH, status="accepted"),))


HASH = "0x" + "00" * 32


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Answers:
    house = parliament_world()
    made = Answers(house)
    monkeypatch.setattr(ask, "ask_node", lambda _, question: trio.run(question, made))
    monkeypatch.setattr(commands, "_until", lambda _: house.time_ms + 60_000)
    return made


def make_home(folder: Path, house: World, name: int) -> Path:
    """A home with a validator's keys, and the house's trade key."""
    home = folder / f"home{name}"
    home.mkdir(mode=0o700)
    password = new_password(home)
    voting = bls.secret_from_seed(bytes([name]) * 32).to_bytes(32, "big")
    for purpose, value in ((Purpose.ENVELOPE, envelope_secret(name)), (Purpose.VALIDATOR, voting)):
        write_key(home, purpose.value, KIND_OF[purpose], value, password, Strength.DEVNET)
    write_key(home, "trade", KeyKind.SECP256K1, secret(0), password, Strength.DEVNET)
    (home / "genesis.json").write_bytes(genesis_to_json(house.genesis))
    return home


def test_a_change_goes_from_the_command_line_into_force(
    node: Answers, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    homes = {name: make_home(tmp_path, node.house, name) for name in (1, 2, 3)}
    proposed = ["governance", "propose", "--set", "market.trade_fee_ppm=100", "--reason", "costs", "--devnet", "--home"]
    assert run([*proposed, str(homes[1])]) == 0
    told = capsys.readouterr().out
    assert "market.trade_fee_ppm" in told
    assert "now   0" in told
    assert "then  100" in told
    for name, home in homes.items():
        assert run(["governance", "vote", "1", "--for", "--yes", "--devnet", "--home", str(home)]) == 0
        assert f"as validator {node.house.seat(name)}, revision 1" in capsys.readouterr().out
    assert run(["governance", "show", "--output", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["proposals"][0]["agreed"], shown["proposals"][0]["approving"]) == (True, 30)
    assert shown["proposals"][0]["places"] == [{"path": "market.trade_fee_ppm", "present": "0", "after": "100"}]
    # Taken back, and given again: revisions count by themselves.
    against = ["governance", "vote", "1", "--against", "--yes", "--devnet", "--home", str(homes[3])]
    assert run(against) == 0
    assert run([*against[:3], "--for", *against[4:]]) == 0
    assert "revision 3" in capsys.readouterr().out
    node.house.wait()
    assert run(["governance", "show"]) == 0
    assert "amendment 1 at height" in capsys.readouterr().out
    assert node.house.state.terms.market.trade_fee_ppm == 100


def test_the_house_proposes_with_its_trade_key_and_halts_alone(
    node: Answers, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = make_home(tmp_path, node.house, 1)
    mine = ["--devnet", "--home", str(home), "--key", "trade"]
    until = node.house.state.now.height + 9
    assert run(["governance", "halt", str(BTC_PERP), "--until", str(until), *mine]) == 0
    assert run(["governance", "show"]) == 0
    assert f"instrument {BTC_PERP} is halted until height {until}" in capsys.readouterr().out
    assert run(["governance", "propose", "--resume", str(BTC_PERP), *mine]) == 0
    assert run(["governance", "show"]) == 0
    assert "by house: resumption" in capsys.readouterr().out


def test_a_node_that_shows_another_change_than_was_proposed_gets_no_vote(node: Answers, tmp_path: Path) -> None:
    home = make_home(tmp_path, node.house, 1)
    proposal = node.house.proposal(node.house.changes(("market.trade_fee_ppm", 100)))
    harmless = node.house.proposal(node.house.changes(("market.trade_fee_ppm", 1)))
    node.house.block(proposal)

    def lie(view: GovernanceView) -> GovernanceView:
        from clearing.base.codec import encode

        told = "0x" + encode(harmless.amendment).hex()
        lied = msgspec.structs.replace(view.proposals[0], amendment=told)
        return msgspec.structs.replace(view, proposals=(lied,))

    node.lie = lie
    vote = ["governance", "vote", "1", "--for", "--yes", "--devnet", "--home", str(home)]
    assert run(vote) == ExitCode.VERIFICATION
    assert not list(node.house.state.votes.ordered())
    node.lie = lambda view: msgspec.structs.replace(view, proposals=())
    assert run(vote) == ExitCode.VERIFICATION


def test_a_node_that_lies_about_what_stands_there_now_gets_no_vote_for_a_change(
    node: Answers, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lower fee than the voter believes to pay is a higher one than it pays."""
    home = make_home(tmp_path, node.house, 1)
    node.house.block(node.house.proposal(node.house.changes(("market.trade_fee_ppm", 100))))
    market = msgspec.structs.replace(node.house.genesis.market, trade_fee_ppm=5_000)

    async def lie() -> Genesis:
        return msgspec.structs.replace(node.house.genesis, market=market)

    monkeypatch.setattr(node, "terms", lie)
    vote = ["governance", "vote", "1", "--for", "--yes", "--devnet", "--home", str(home)]
    assert run(vote) == ExitCode.VERIFICATION
    assert not list(node.house.state.votes.ordered())
    assert "THE PRESENT VALUE IS NOT THE ONE THAT THE PROPOSAL NAMES" in capsys.readouterr().err
    assert run(["--against" if each == "--for" else each for each in vote]) == 0


def test_every_difference_is_shown_however_long_the_place_is(node: Answers) -> None:
    genesis = node.house.genesis
    hidden = msgspec.structs.replace(genesis.market, day_trades_max=77)
    words = tuple(msgspec.structs.replace(each, name="x" * 64) for each in genesis.instruments)
    longer = msgspec.structs.replace(genesis.risk, rate_ppm=77)
    amendment = node.house.changes(("market", hidden), ("risk", longer), ("instruments", words))
    told = "\n".join(describe_amendment(amendment, genesis))
    for place, now, then in ((".day_trades_max", 100_000, 77), (".rate_ppm", 0, 77)):
        assert f"    {place}\n    now   {now}\n    then  {then}" in told
    for at, each in enumerate(words):
        assert f'    [{at}].name\n    now   "{genesis.instruments[at].name}"\n    then  "{each.name}"' in told
    listed = node.house.changes(("instruments.9", msgspec.structs.replace(words[0], id=9, name="y" * 9_000)))
    assert "y" * 9_000 in describe_amendment(listed, genesis)[-1]


def test_the_changes_of_one_amendment_are_shown_one_after_the_other(node: Answers) -> None:
    genesis = node.house.genesis
    first = node.house.changes(("market.trade_fee_ppm", 5)).changes
    between = msgspec.structs.replace(genesis, market=msgspec.structs.replace(genesis.market, trade_fee_ppm=5))
    amendment = TermsAmendment((*first, change_at(between, "market.trade_fee_ppm", 9)))
    told = describe_amendment(amendment, genesis)
    assert [line.split()[-1] for line in told if line.startswith(("    now", "    then"))] == ["0", "5", "5", "9"]
    assert not [line for line in told if "NOT WHAT" in line]


def test_who_enters_is_shown_with_its_power(node: Answers) -> None:
    heavy = validator(9, 12_345)
    told = describe_amendment(ValidatorsAmendment(bytes(32), (key_of(1),), (heavy,)), node.house.genesis)
    assert f"  left {key_of(1).hex()}" in told
    assert f"  entered {key_of(9).hex()} with power 12345 and voting key {heavy.bls_key.hex()}" in told


def test_a_vote_is_asked_for_once_more_unless_told(node: Answers, tmp_path: Path) -> None:
    home = make_home(tmp_path, node.house, 1)
    node.house.block(node.house.proposal(node.house.changes(("market.trade_fee_ppm", 100))))
    assert run(["governance", "vote", "1", "--for", "--devnet", "--home", str(home)]) != 0
    assert run(["governance", "vote", "1", "--yes", "--devnet", "--home", str(home)]) == ExitCode.USAGE


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--set", "nothing"],
        ["--set", "market.trade_fee_ppm=1", "--resume", "1"],
        ["--halt", "1"],
        ["--halt", "1=x"],
        ["--suspense", "1:2"],
        ["--detach", "77"],
        ["--set", "market.trade_fee_ppm=@nowhere.json"],
    ],
    ids=str,
)
def test_odd_changes_are_refused_as_usage(node: Answers, tmp_path: Path, arguments: list[str]) -> None:
    home = make_home(tmp_path, node.house, 1)
    assert run(["governance", "propose", *arguments, "--devnet", "--home", str(home)]) == ExitCode.USAGE


@pytest.mark.parametrize("place", ["market.nothing=1", "market.trade_fee_ppm=much", "market.trade_fee_ppm=-1", "x=1"])
def test_what_is_no_value_of_its_place_is_not_signed(node: Answers, tmp_path: Path, place: str) -> None:
    home = make_home(tmp_path, node.house, 1)
    assert run(["governance", "propose", "--set", place, "--devnet", "--home", str(home)]) != 0
    assert not list(node.house.state.proposals.ordered())


def test_values_are_written_as_in_genesis_json(node: Answers) -> None:
    genesis = node.house.genesis
    perpetual = json.loads(genesis_to_json(genesis))["instruments"][0] | {"id": 9, "name": "NEW"}
    amendment = terms_amendment(genesis, [("instruments.9", json.dumps(perpetual))], ["instruments.3"])
    assert [change.path for change in amendment.changes] == ["instruments.9", "instruments.3"]
    told = describe_amendment(amendment, genesis)
    assert "    now   nothing is listed there" in told
    assert told[-1] == "    then  removed from the list"
    assert read_value("members.1.trade_address", "0x" + "11" * 20) == b"\x11" * 20
    assert read_value("instruments.1.name", "BTC") == "BTC"
    with pytest.raises(LocalFault):
        read_value("members.1.trade_address", "11" * 20)


def test_a_proposal_is_found_by_its_own_hash_only(node: Answers) -> None:
    network = NetworkId(node.house.network)
    node.house.block(node.house.proposal(node.house.changes(("market.trade_fee_ppm", 100)), 2))
    view = governance_of(node.house.state)
    shown = find_proposal(view, 1, network)
    assert shown.view.proposer == "0x" + key_of(2).hex()
    vote = make_vote(
        shown, network, node.house.seat(1), key_of(1), envelope_secret(1), node.house.time_ms, approve=True
    )
    assert check_admission(node.house.state, vote) is None
    for field, value in (("reason", "other"), ("seat", 3), ("not_after_ms", 5), ("amendment", "0x9106")):
        lied = msgspec.structs.replace(view, proposals=(msgspec.structs.replace(view.proposals[0], **{field: value}),))
        with pytest.raises(LocalFault):
            find_proposal(lied, 1, network)
    with pytest.raises(LocalFault):
        find_proposal(view, 1, NetworkId(bytes(32)))


def test_words_of_a_stranger_cannot_steer_a_terminal(
    node: Answers, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    amendment = node.house.changes(("instruments.1.band_ppm", 50_000))
    node.house.block(node.house.proposal(amendment, reason="\x1b[2Jharmless\u202e"))
    assert run(["governance", "show"]) == 0
    told = capsys.readouterr().out
    assert "harmless" in told
    assert "\x1b" not in told
    assert "\u202e" not in told


def test_the_terms_are_written_once_until_they_are_others(node: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody may ask for them, and they may be long."""
    written: list[Genesis] = []

    def count(genesis: Genesis) -> bytes:
        written.append(genesis)
        return genesis_to_json(genesis)

    monkeypatch.setattr(routes, "genesis_to_json", count)
    view: Any = SimpleNamespace(state=node.house.state)
    asked = [routes.terms(ApiCall(view, {})).body for _ in range(3)]
    assert len(written) == 1
    node.house.amend(("market.trade_fee_ppm", 7))
    assert routes.terms(ApiCall(view, {})).body not in asked
    assert [each.market.trade_fee_ppm for each in written] == [0, 7]
