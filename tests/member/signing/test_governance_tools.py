"""From the command line to the terms in force: propose, vote, show, try out, and nothing is signed blindly."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import trio

import cli.operator.governance as commands
import node.api.governance as routes
from clearing.base.codec import encode
from clearing.base.errors import LocalFault
from clearing.base.ids import NetworkId
from clearing.genesis.json import genesis_to_json
from clearing.genesis.paths import change_at
from clearing.governance.proposals import check_admission
from clearing.schema.requests.governance import EmergencyHalt, TermsAmendment, ValidatorsAmendment
from clearing.schema.terms.genesis import Genesis
from cli.main import run
from cli.output import ExitCode
from member.api.governance import GovernanceView
from member.client import ask
from member.printing.governance import describe_amendment
from member.signing.governance import find_proposal, make_vote, read_value, terms_amendment
from node.api.calls import ApiCall
from node.api.governance import governance_of
from tests.kit.clearing.chamber import parliament_world
from tests.kit.clearing.genesis import BTC_PERP
from tests.kit.clearing.signer import envelope_secret, key_of, validator
from tests.kit.command_line import CommandLine
from tests.kit.member.asked_node import AskedNode, make_home

replace = msgspec.structs.replace


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> AskedNode:
    house = parliament_world()

    def judge(ruling: Any) -> object:
        return None if isinstance(ruling, EmergencyHalt) else check_admission(house.state, ruling)

    made = AskedNode(house, judge)
    monkeypatch.setattr(ask, "ask_node", lambda _, question: trio.run(question, made))
    monkeypatch.setattr(commands, "_until", lambda _: house.time_ms + 60_000)
    return made


@pytest.fixture
def home(node: AskedNode, tmp_path: Path) -> Path:
    return make_home(tmp_path, node.world, 1)


def voted(home: Path, *words: str) -> list[object]:
    return ["governance", "vote", "1", *words, "--devnet", "--home", home]


def test_a_change_goes_from_the_command_line_into_force(node: AskedNode, tmp_path: Path, cli: CommandLine) -> None:
    homes = {name: make_home(tmp_path, node.world, name) for name in (1, 2, 3)}
    change = ["--set", "market.trade_fee_ppm=100", "--reason", "costs"]
    text = cli("governance", "propose", *change, "--devnet", "--home", homes[1]).out
    assert all(words in text for words in ("market.trade_fee_ppm", "now   0", "then  100"))
    for name, home in homes.items():
        assert f"as validator {node.world.seat(name)}, revision 1" in cli(*voted(home, "--for", "--yes")).out
    (shown,) = cli("governance", "show", "--output", "json").json["proposals"]
    assert (shown["agreed"], shown["approving"]) == (True, 30)
    assert shown["places"] == [{"path": "market.trade_fee_ppm", "present": "0", "after": "100"}]
    # Taken back, and given again: revisions count by themselves.
    cli(*voted(homes[3], "--against", "--yes"))
    assert "revision 3" in cli(*voted(homes[3], "--for", "--yes")).out
    node.world.wait()
    assert "amendment 1 at height" in cli("governance", "show").out
    assert node.world.state.terms.market.trade_fee_ppm == 100


def test_an_upgrade_is_scheduled_moved_and_cancelled_from_the_command_line(
    node: AskedNode, tmp_path: Path, cli: CommandLine
) -> None:
    homes = {name: make_home(tmp_path, node.world, name) for name in (1, 2, 3)}
    own = ["--devnet", "--home", homes[1]]

    def agree(number: int) -> None:
        for home in homes.values():
            cli("governance", "vote", number, "--for", "--yes", "--devnet", "--home", home)
        node.world.wait()

    assert "protocol 1 since height 1; the node has 1, this program 1" in cli("governance", "show").out
    text = cli("governance", "propose", "--upgrade", "2=500", *own).out
    assert all(words in text for words in ("upgrade", "version 2", "height 500", "replaces_height 0"))
    agree(1)
    assert "protocol 2 from height 500 on, frozen above height 400" in cli("governance", "show").out
    assert "replaces_height 500" in cli("governance", "propose", "--upgrade", "2=900", *own).out
    agree(2)
    shown = cli("governance", "show", "--output", "json").json["protocol"]
    assert (shown["version"], shown["next_version"], shown["next_height"]) == (1, 2, 900)
    cli("governance", "propose", "--cancel-upgrade", 900, *own)
    agree(3)
    assert cli("governance", "show", "--output", "json").json["protocol"]["next_version"] == 0


def test_the_house_proposes_with_its_trade_key_and_halts_alone(node: AskedNode, home: Path, cli: CommandLine) -> None:
    mine = ["--devnet", "--home", home, "--key", "trade"]
    until = node.world.state.now.height + 9
    cli("governance", "halt", BTC_PERP, "--until", until, *mine)
    assert f"instrument {BTC_PERP} is halted until height {until}" in cli("governance", "show").out
    cli("governance", "propose", "--resume", BTC_PERP, *mine)
    assert "by house: resumption" in cli("governance", "show").out


def test_a_node_that_shows_another_change_than_was_proposed_gets_no_vote(
    node: AskedNode, home: Path, cli: CommandLine
) -> None:
    proposal = node.world.proposal(node.world.changes(("market.trade_fee_ppm", 100)))
    harmless = node.world.proposal(node.world.changes(("market.trade_fee_ppm", 1)))
    node.world.block(proposal)

    def lie(view: GovernanceView) -> GovernanceView:
        shown = replace(view.proposals[0], amendment="0x" + encode(harmless.amendment).hex())
        return replace(view, proposals=(shown,))

    for node.lie in (lie, lambda view: replace(view, proposals=())):
        cli(*voted(home, "--for", "--yes"), code=ExitCode.VERIFICATION)
        assert not list(node.world.state.votes.ordered())


def test_a_node_that_lies_about_what_stands_there_now_gets_no_vote_for_a_change(
    node: AskedNode, home: Path, cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lower fee than the voter believes to pay is a higher one than it pays."""
    node.world.block(node.world.proposal(node.world.changes(("market.trade_fee_ppm", 100))))
    market = replace(node.world.genesis.market, trade_fee_ppm=5_000)

    async def lie() -> Genesis:
        return replace(node.world.genesis, market=market)

    monkeypatch.setattr(node, "terms", lie)
    printed = cli(*voted(home, "--for", "--yes"), code=ExitCode.VERIFICATION)
    assert not list(node.world.state.votes.ordered())
    assert "THE PRESENT VALUE IS NOT THE ONE THAT THE PROPOSAL NAMES" in printed.err
    cli(*voted(home, "--against", "--yes"))


def test_every_difference_is_shown_however_long_the_place_is(node: AskedNode) -> None:
    genesis = node.world.genesis
    hidden = replace(genesis.market, day_trades_max=77)
    words = tuple(replace(each, name="x" * 64) for each in genesis.instruments)
    longer = replace(genesis.risk, rate_ppm=77)
    amendment = node.world.changes(("market", hidden), ("risk", longer), ("instruments", words))
    lines = "\n".join(describe_amendment(amendment, genesis))
    for place, now, then in ((".day_trades_max", 100_000, 77), (".rate_ppm", 0, 77)):
        assert f"    {place}\n    now   {now}\n    then  {then}" in lines
    for at, each in enumerate(words):
        assert f'    [{at}].name\n    now   "{genesis.instruments[at].name}"\n    then  "{each.name}"' in lines
    listed = node.world.changes(("instruments.9", replace(words[0], id=9, name="y" * 9_000)))
    assert "y" * 9_000 in describe_amendment(listed, genesis)[-1]


def test_the_changes_of_one_amendment_are_shown_one_after_the_other(node: AskedNode) -> None:
    genesis = node.world.genesis
    first = node.world.changes(("market.trade_fee_ppm", 5)).changes
    between = replace(genesis, market=replace(genesis.market, trade_fee_ppm=5))
    amendment = TermsAmendment((*first, change_at(between, "market.trade_fee_ppm", 9)))
    lines = describe_amendment(amendment, genesis)
    assert [line.split()[-1] for line in lines if line.startswith(("    now", "    then"))] == ["0", "5", "5", "9"]
    assert not [line for line in lines if "NOT WHAT" in line]


def test_who_enters_is_shown_with_its_power(node: AskedNode) -> None:
    heavy = validator(9, 12_345)
    lines = describe_amendment(ValidatorsAmendment(bytes(32), (key_of(1),), (heavy,)), node.world.genesis)
    assert f"  left {key_of(1).hex()}" in lines
    assert f"  entered {key_of(9).hex()} with power 12345 and voting key {heavy.bls_key.hex()}" in lines


def test_a_vote_is_asked_for_once_more_unless_told(node: AskedNode, home: Path, cli: CommandLine) -> None:
    node.world.block(node.world.proposal(node.world.changes(("market.trade_fee_ppm", 100))))
    assert run([str(word) for word in voted(home, "--for")]) != 0
    cli(*voted(home, "--yes"), code=ExitCode.USAGE)
    assert not list(node.world.state.votes.ordered())


@pytest.mark.parametrize(
    "words",
    [
        "",
        "--set nothing",
        "--set market.trade_fee_ppm=1 --resume 1",
        "--halt 1",
        "--halt 1=x",
        "--suspense 1:2",
        "--detach 77",
        "--set market.trade_fee_ppm=@nowhere.json",
    ],
)
def test_odd_changes_are_refused_as_usage(home: Path, words: str, cli: CommandLine) -> None:
    cli("governance", "propose", *words.split(), "--devnet", "--home", home, code=ExitCode.USAGE)


@pytest.mark.parametrize("place", ["market.nothing=1", "market.trade_fee_ppm=much", "market.trade_fee_ppm=-1", "x=1"])
def test_what_is_no_value_of_its_place_is_not_signed(node: AskedNode, home: Path, place: str) -> None:
    assert run(["governance", "propose", "--set", place, "--devnet", "--home", str(home)]) != 0
    assert not list(node.world.state.proposals.ordered())


def test_values_are_written_as_in_genesis_json(node: AskedNode) -> None:
    genesis = node.world.genesis
    perpetual = json.loads(genesis_to_json(genesis))["instruments"][0] | {"id": 9, "name": "NEW"}
    amendment = terms_amendment(genesis, [("instruments.9", json.dumps(perpetual))], ["instruments.3"])
    assert [change.path for change in amendment.changes] == ["instruments.9", "instruments.3"]
    lines = describe_amendment(amendment, genesis)
    assert "    now   nothing is listed there" in lines
    assert lines[-1] == "    then  removed from the list"
    assert read_value("members.1.trade_address", "0x" + "11" * 20) == b"\x11" * 20
    assert read_value("instruments.1.name", "BTC") == "BTC"
    with pytest.raises(LocalFault):
        read_value("members.1.trade_address", "11" * 20)


def test_a_proposal_is_found_by_its_own_hash_only(node: AskedNode) -> None:
    network = NetworkId(node.world.network)
    node.world.block(node.world.proposal(node.world.changes(("market.trade_fee_ppm", 100)), 2))
    view = governance_of(node.world.state)
    shown = find_proposal(view, 1, network)
    assert shown.view.proposer == "0x" + key_of(2).hex()
    vote = make_vote(
        shown, network, node.world.seat(1), key_of(1), envelope_secret(1), node.world.time_ms, approve=True
    )
    assert check_admission(node.world.state, vote) is None
    for field, value in (("reason", "other"), ("seat", 3), ("not_after_ms", 5), ("amendment", "0x9106")):
        lied = replace(view, proposals=(replace(view.proposals[0], **{field: value}),))
        with pytest.raises(LocalFault):
            find_proposal(lied, 1, network)
    with pytest.raises(LocalFault):
        find_proposal(view, 1, NetworkId(bytes(32)))


def test_words_of_a_stranger_cannot_steer_a_terminal(node: AskedNode, cli: CommandLine) -> None:
    amendment = node.world.changes(("instruments.1.band_ppm", 50_000))
    node.world.block(node.world.proposal(amendment, reason="\x1b[2Jharmless\u202e"))
    printed = cli("governance", "show")
    assert "harmless" in printed.out
    assert printed.is_printable


def test_the_terms_are_written_once_until_they_are_others(node: AskedNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody may ask for them, and they may be long."""
    written: list[Genesis] = []

    def count(genesis: Genesis) -> bytes:
        written.append(genesis)
        return genesis_to_json(genesis)

    monkeypatch.setattr(routes, "genesis_to_json", count)
    view: Any = SimpleNamespace(state=node.world.state)
    asked = [routes.terms(ApiCall(view, {})).body for _ in range(3)]
    assert len(written) == 1
    node.world.amend(("market.trade_fee_ppm", 7))
    assert routes.terms(ApiCall(view, {})).body not in asked
    assert [each.market.trade_fee_ppm for each in written] == [0, 7]
