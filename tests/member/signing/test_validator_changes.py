"""Changing validators by files: proposed from what a node shows, approved where the key is, gathered, handed in."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from clearing.base.codec import encode
from clearing.base.errors import LocalFault, Rejected
from clearing.base.ids import NetworkId
from clearing.genesis.json import genesis_to_json
from clearing.schema.blocks.block import ProvenOffence
from clearing.schema.blocks.transaction import transaction_bytes_max
from clearing.schema.codes import ClearingCode
from clearing.validators.set_changes import validate_change
from clearing.validators.validator_sets import validator_sets
from cli.output import ExitCode
from member.api.chain import ValidatorsView
from member.client import ask
from member.codes import NodeCode
from member.printing.validators import describe_validator_change
from member.signing.validator_changes import (
    Card,
    CheckedChange,
    approve_change,
    encode_change,
    joined,
    newcomer,
    propose,
    read_change,
)
from node.api.chain import validators_of
from node.pool.mempool import CHANGES_MAX, VALIDATORS_SLOT, Accepted, Mempool, _accounts, refuse_changes
from tests.kit.clearing.chamber import chamber_world
from tests.kit.clearing.signer import envelope_secret, key_of, validator
from tests.kit.clearing.world import World, codes
from tests.kit.command_line import CommandLine
from tests.kit.member.asked_node import AskedNode, make_home
from tests.kit.refusals import refused
from tests.kit.validator_records import made_validator

UNTIL = 2**50


def approved(chamber: World, change: CheckedChange, *names: int) -> CheckedChange:
    for name in names:
        change = approve_change(change, NetworkId(chamber.network), key_of(name), envelope_secret(name))
    return change


def test_a_change_out_of_what_a_node_shows_is_taken_by_the_next_block(tmp_path: Path) -> None:
    chamber = chamber_world()
    shown = msgspec.json.decode(msgspec.json.encode(validators_of(chamber.state)), type=ValidatorsView)
    change = propose(shown, [key_of(1)], [validator(5)], {key_of(2): 11}, UNTIL)
    for name in (1, 2, 3):
        (tmp_path / f"{name}.json").write_bytes(encode_change(approved(chamber, change, name)))
    gathered = joined([read_change(tmp_path / f"{name}.json") for name in (3, 1, 2)])
    assert gathered.approved_power == 30
    assert list(gathered.approved) == sorted(gathered.approved)
    assert not codes(chamber.block(gathered.request))
    assert validator_sets(chamber.state).next == gathered.after
    assert validators_of(chamber.state).change is not None


def request_of(file: Any) -> Any:
    return file["request"]["transactions"][0]


SPOILT: dict[str, Callable[[Any], object]] = {
    "a validator less": lambda file: file["validators"].pop(),
    "another power": lambda file: file["validators"][0].update(power=11),
    "another's proof of possession": lambda file: file["validators"][0].update(
        possession=file["validators"][1]["possession"]
    ),
    "another's proof of the address": lambda file: file["validators"][0].update(
        evm_possession=file["validators"][1]["evm_possession"]
    ),
    "another set after": lambda file: request_of(file).update(after="0x" + "00" * 32),
    "another set before": lambda file: request_of(file).update(before="0x" + "00" * 32),
    "nobody leaves": lambda file: request_of(file).update(left=[]),
    "two requests": lambda file: file["request"]["transactions"].append(request_of(file)),
    "no request": lambda file: file["request"].update(transactions=[]),
    "a stranger's approval": lambda file: request_of(file)["approvals"][0].update(validator=9),
    "another network": lambda file: file.update(network="0x00"),
    "a field more": lambda file: file.update(more=1),
}


@pytest.mark.parametrize("what", SPOILT)
def test_a_file_that_does_not_fit_together_is_refused_before_anything_is_signed(tmp_path: Path, what: str) -> None:
    chamber, path = chamber_world(), tmp_path / "change.json"
    change = approved(chamber, propose(validators_of(chamber.state), [key_of(1)], [], {}, UNTIL), 2)
    path.write_bytes(encode_change(change))
    assert read_change(path) == change
    file = json.loads(path.read_bytes())
    SPOILT[what](file)
    path.write_text(json.dumps(file))
    with refused(NodeCode.CHANGE_FILE, LocalFault):
        read_change(path)


@pytest.mark.parametrize("data", [b"\xff" * 10, b" " * (1 << 19)], ids=["no text", "too long"])
def test_bytes_that_are_no_change_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "change.json").write_bytes(data)
    with pytest.raises(LocalFault):
        read_change(tmp_path / "change.json")


def test_what_the_network_would_refuse_cannot_be_proposed() -> None:
    shown = validators_of(chamber_world().state)
    unproven = msgspec.structs.replace(validator(5, 1), possession=bytes(96))
    without_address = msgspec.structs.replace(validator(5, 1), evm_possession=bytes(65))
    for left, entered, powers in (
        ([], [], {}),
        ([key_of(1), key_of(2)], [], {}),
        ([key_of(9)], [], {}),
        ([], [validator(5, 100)], {}),
        ([], [unproven], {}),
        ([], [without_address], {}),
        ([], [], {key_of(9): 5}),
    ):
        with refused(NodeCode.CHANGE_FILE, LocalFault):
            propose(shown, left, entered, powers, UNTIL)


def test_only_who_is_in_the_set_approves_and_on_its_own_network_only() -> None:
    chamber = chamber_world()
    change = propose(validators_of(chamber.state), [key_of(1)], [], {}, UNTIL)
    with refused(NodeCode.NOT_IN_THE_SET, LocalFault):
        approved(chamber, change, 9)
    with refused(NodeCode.CHANGE_FILE, LocalFault):
        approve_change(change, NetworkId(bytes(32)), key_of(1), envelope_secret(1))
    other = propose(validators_of(chamber.state), [key_of(2)], [], {}, UNTIL)
    with pytest.raises(LocalFault):
        joined([change, other])


def test_approving_twice_is_approving_once() -> None:
    chamber = chamber_world()
    change = approved(chamber, propose(validators_of(chamber.state), [key_of(1)], [], {}, UNTIL), 2, 3, 2)
    assert len(change.approved) == 2


def test_a_pool_takes_a_change_only_with_enough_good_approvals_and_waits_for_it_long() -> None:
    chamber = chamber_world()
    chamber.block()

    def judge(request: Any) -> Rejected | None:
        judgement = validate_change(chamber.state, request)
        return judgement if isinstance(judgement, Rejected) else None

    pool = Mempool(NetworkId(chamber.network), lambda _: (), judge_change=judge)
    change = propose(validators_of(chamber.state), [key_of(1)], [], {}, UNTIL)
    few = pool.add(approved(chamber, change, 1, 2).request, chamber.time_ms)
    assert isinstance(few, Rejected)
    assert few.code is ClearingCode.TOO_FEW_APPROVALS
    good = approved(chamber, change, 1, 2, 3).request
    assert len(encode((good,))) <= transaction_bytes_max(good)
    assert isinstance(pool.add(good, chamber.time_ms), Accepted)
    assert pool.select(chamber.time_ms) == (good,)
    many = [approved(chamber, change, *names).request for names in ((1, 2, 4), (1, 3, 4), (2, 3, 4), (1, 2, 3, 4))]
    added = [isinstance(pool.add(each, chamber.time_ms), Accepted) for each in many]
    assert added == [True] * (CHANGES_MAX - 1) + [False]
    assert _accounts(good) == (VALIDATORS_SLOT,)
    assert isinstance(Mempool(NetworkId(chamber.network), lambda _: ()).add(good, 0), Rejected)
    assert refuse_changes(good) is not None


def test_misbehaviour_on_record_is_shown() -> None:
    chamber = chamber_world()
    chamber.hear({}, misbehaviour=[ProvenOffence(key_of(2), 1, 1, 0, 10)])
    (shown,) = validators_of(chamber.state).offences
    assert (shown.envelope_key, shown.kind, shown.count) == ("0x" + key_of(2).hex(), "duplicate_vote", 1)


@pytest.fixture
def chamber(monkeypatch: pytest.MonkeyPatch) -> World:
    world = chamber_world()
    node = AskedNode(world, lambda request: validate_change(world.state, request))
    monkeypatch.setattr(ask, "ask_node", lambda _, question: trio.run(question, node))
    return world


def test_the_command_line_takes_a_change_from_a_card_to_a_block(
    chamber: World, tmp_path: Path, cli: CommandLine
) -> None:
    homes = {name: make_home(tmp_path, chamber, name) for name in (1, 2, 3, 5)}
    card, change, two = (tmp_path / name for name in ("card.json", "change.json", "two.json"))
    card.write_text(cli("validators", "card", "--home", homes[5], "--devnet", "--output", "json").out)
    proposed = ["validators", "propose", "--enter", f"{card}=10", "--leave", key_of(4).hex(), "--out", change]
    text = cli(*proposed).out
    assert f"leaves  {key_of(4).hex()} with power 10" in text
    assert f"enters  {key_of(5).hex()} with power 10" in text
    cli(*proposed, code=ExitCode.SAFETY)  # nothing is overwritten
    approve = ["validators", "approve", change, "--devnet", "--home"]
    cli(*approve, homes[1])
    cli(*approve, homes[2], "--out", two)
    assert "R0464" in cli("validators", "submit", change, two, code=ExitCode.VERIFICATION).err
    cli(*approve, homes[5], code=ExitCode.CONFIG)  # not in the set yet
    assert cli(*approve, homes[3], "--output", "json").json["approved_power"] == 20
    cli("validators", "submit", change, two)
    assert key_of(5) in validator_sets(chamber.state).next.index_of
    assert key_of(4) not in validator_sets(chamber.state).next.index_of
    assert "change 1 made at" in cli("validators", "show").out
    cli("validators", "submit", change, code=ExitCode.VERIFICATION)  # a change is good once


def test_what_init_prints_is_a_card(tmp_path: Path, cli: CommandLine) -> None:
    printed = cli("init", "--home", tmp_path / "home", "--devnet", "--output", "json").out
    card = newcomer(msgspec.json.decode(printed, type=Card), 5)
    assert propose(validators_of(chamber_world().state), [], [card], {}, UNTIL).after.total_power == 45


def test_an_approval_for_another_network_is_refused(chamber: World, tmp_path: Path, cli: CommandLine) -> None:
    home, change = make_home(tmp_path, chamber, 1), tmp_path / "change.json"
    text = cli("validators", "propose", "--power", f"{key_of(1).hex()}=11", "--out", change).out
    assert f"stays   {key_of(1).hex()} and changes:\n            power from 10 to 11" in text
    (home / "genesis.json").write_bytes(genesis_to_json(msgspec.structs.replace(chamber.genesis, name="other")))
    before = change.read_bytes()
    cli("validators", "approve", change, "--devnet", "--home", home, code=ExitCode.VERIFICATION)
    assert change.read_bytes() == before


def test_a_change_of_keys_is_shown_key_by_key() -> None:
    shown, newer = validators_of(chamber_world().state), made_validator(key_of(1), 77, 10)
    change = propose(shown, [], [newer], {}, UNTIL)
    before = next(each for each in change.before.validators if each.envelope_key == key_of(1))
    data, text = describe_validator_change(change)
    assert f"bls_key from {before.bls_key.hex()} to {newer.bls_key.hex()}" in text
    assert f"evm_address from {before.evm_address.hex()} to {newer.evm_address.hex()}" in text
    assert "power from" not in text
    assert data["changed"][key_of(1).hex()]["bls_key"]["after"] == newer.bls_key.hex()


@pytest.mark.parametrize("words", ["--leave zz", "--power 5", "--power 00=x", "--enter nowhere=5", "--enter x=0"])
def test_odd_arguments_are_refused_as_usage(chamber: World, tmp_path: Path, words: str, cli: CommandLine) -> None:
    cli("validators", "propose", *words.split(), "--out", tmp_path / "x", code=ExitCode.USAGE)
