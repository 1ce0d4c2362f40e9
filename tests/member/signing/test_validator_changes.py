"""Changing validators by files: proposed from what a node shows, approved where the key is, gathered, handed in."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from clearing.base.codec import encode
from clearing.base.errors import LocalFault, Rejected
from clearing.base.ids import NetworkId
from clearing.base.validators import Validator
from clearing.genesis.json import genesis_to_json
from clearing.schema.blocks.block import ProvenOffence
from clearing.schema.blocks.transaction import transaction_bytes_max
from clearing.schema.codes import ClearingCode
from clearing.validators.set_changes import validate_change
from clearing.validators.validator_sets import validator_sets
from cli.main import run
from cli.output import ExitCode
from member.api.chain import ValidatorsView
from member.client import ask
from member.codes import NodeCode
from member.keys.key_folder import KIND_OF, Purpose, new_password, write_key
from member.keys.keystore import Strength
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
from tests.kit.refusals import refused

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


def test_a_file_that_does_not_fit_together_is_refused_before_anything_is_signed(tmp_path: Path) -> None:
    chamber = chamber_world()
    change = approved(chamber, propose(validators_of(chamber.state), [key_of(1)], [], {}, UNTIL), 2)
    good = json.loads(encode_change(change))
    path = tmp_path / "change.json"

    def spoil(alter: Callable[[Any], None]) -> None:
        told = json.loads(json.dumps(good))
        alter(told)
        path.write_text(json.dumps(told))
        with refused(NodeCode.CHANGE_FILE, LocalFault):
            read_change(path)

    request = "request"
    spoil(lambda told: told["validators"].pop())
    spoil(lambda told: told["validators"][0].update(power=11))
    spoil(lambda told: told["validators"][0].update(possession=told["validators"][1]["possession"]))
    spoil(lambda told: told[request]["transactions"][0].update(after="0x" + "00" * 32))
    spoil(lambda told: told[request]["transactions"][0].update(before="0x" + "00" * 32))
    spoil(lambda told: told[request]["transactions"][0].update(left=[]))
    spoil(lambda told: told[request]["transactions"].append(told[request]["transactions"][0]))
    spoil(lambda told: told[request].update(transactions=[]))
    spoil(lambda told: told[request]["transactions"][0]["approvals"][0].update(validator=9))
    spoil(lambda told: told.update(network="0x00"))
    spoil(lambda told: told.update(more=1))
    path.write_bytes(b"\xff" * 10)
    with pytest.raises(LocalFault):
        read_change(path)
    path.write_bytes(b" " * (1 << 19))
    with pytest.raises(LocalFault):
        read_change(path)
    path.write_bytes(encode_change(change))
    assert read_change(path) == change


def test_what_the_network_would_refuse_cannot_be_proposed() -> None:
    shown = validators_of(chamber_world().state)
    forged = Card(envelope=key_of(5).hex(), validator=validator(5).bls_key.hex(), possession="00" * 96)
    wrong: tuple[tuple[list[bytes], list[Validator], dict[bytes, int]], ...] = (
        ([], [], {}),
        ([key_of(1), key_of(2)], [], {}),
        ([key_of(9)], [], {}),
        ([], [validator(5, 100)], {}),
        ([], [newcomer(forged, 1)], {}),
        ([], [], {key_of(9): 5}),
    )
    for left, entered, powers in wrong:
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
        told = validate_change(chamber.state, request)
        return told if isinstance(told, Rejected) else None

    pool = Mempool(NetworkId(chamber.network), lambda _: (), judge_change=judge)
    change = propose(validators_of(chamber.state), [key_of(1)], [], {}, UNTIL)
    told = pool.add(approved(chamber, change, 1, 2).request, chamber.time_ms)
    assert isinstance(told, Rejected)
    assert told.code is ClearingCode.TOO_FEW_APPROVALS
    good = approved(chamber, change, 1, 2, 3).request
    assert len(encode((good,))) <= transaction_bytes_max(good)
    assert isinstance(pool.add(good, chamber.time_ms), Accepted)
    assert pool.select(chamber.time_ms) == (good,)
    many = [approved(chamber, change, *names).request for names in ((1, 2, 4), (1, 3, 4), (2, 3, 4), (1, 2, 3, 4))]
    told_many = [pool.add(each, chamber.time_ms) for each in many]
    assert [isinstance(each, Accepted) for each in told_many] == [True] * (CHANGES_MAX - 1) + [False]
    assert _accounts(good) == (VALIDATORS_SLOT,)
    assert isinstance(Mempool(NetworkId(chamber.network), lambda _: ()).add(good, 0), Rejected)
    assert refuse_changes(good) is not None


def test_misbehaviour_on_record_is_shown() -> None:
    chamber = chamber_world()
    chamber.hear({}, misbehaviour=[ProvenOffence(key_of(2), 1, 1, 0, 10)])
    (shown,) = validators_of(chamber.state).offences
    assert (shown.envelope_key, shown.kind, shown.count) == ("0x" + key_of(2).hex(), "duplicate_vote", 1)


class _Answers:
    """A client that shows one state and hands requests in to it."""

    def __init__(self, chamber: World) -> None:
        self.chamber = chamber

    async def validators(self) -> ValidatorsView:
        return validators_of(self.chamber.state)

    async def submit(self, transactions: tuple[Any, ...]) -> Any:
        from member.api.submit import SubmitResult, SubmitResults
        from node.api.calls import problem_of

        told = validate_change(self.chamber.state, transactions[0])
        if isinstance(told, Rejected):
            refused = SubmitResult(hash="0x" + "00" * 32, status="refused", problem=problem_of(told))
            return SubmitResults(results=(refused,))
        self.chamber.block(*transactions)
        return SubmitResults(results=(SubmitResult(hash="0x" + "00" * 32, status="accepted"),))


@pytest.fixture
def chamber(monkeypatch: pytest.MonkeyPatch) -> World:
    import trio

    made = chamber_world()
    monkeypatch.setattr(ask, "ask_node", lambda _, question: trio.run(question, _Answers(made)))
    return made


def make_home(folder: Path, chamber: World, name: int) -> Path:
    """A home with the keys of a validator of the chamber."""
    home = folder / f"home{name}"
    home.mkdir(mode=0o700)
    password = new_password(home)
    from clearing.base import bls

    secret = bls.secret_from_seed(bytes([name]) * 32).to_bytes(32, "big")
    for purpose, value in ((Purpose.ENVELOPE, envelope_secret(name)), (Purpose.VALIDATOR, secret)):
        write_key(home, purpose.value, KIND_OF[purpose], value, password, Strength.DEVNET)
    (home / "genesis.json").write_bytes(genesis_to_json(chamber.genesis))
    return home


def test_the_command_line_takes_a_change_from_a_card_to_a_block(
    chamber: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    homes = {name: make_home(tmp_path, chamber, name) for name in (1, 2, 3, 5)}
    assert run(["validators", "card", "--home", str(homes[5]), "--devnet", "--output", "json"]) == 0
    card = tmp_path / "card.json"
    card.write_text(capsys.readouterr().out)
    change = tmp_path / "change.json"
    proposed = [
        *("validators", "propose", "--enter", f"{card}=10", "--leave", key_of(4).hex(), "--out", str(change)),
    ]
    assert run(proposed) == 0
    told = capsys.readouterr().out
    assert f"leaves  {key_of(4).hex()} with power 10" in told
    assert f"enters  {key_of(5).hex()} with power 10" in told
    assert run(proposed) == ExitCode.SAFETY, "nothing is overwritten"
    approve = ["validators", "approve", str(change), "--devnet", "--home"]
    assert run([*approve, str(homes[1])]) == 0
    assert run([*approve, str(homes[2]), "--out", str(tmp_path / "two.json")]) == 0
    capsys.readouterr()
    assert run(["validators", "submit", str(change), str(tmp_path / "two.json")]) == ExitCode.VERIFICATION
    assert "R0464" in capsys.readouterr().err
    assert run([*approve, str(homes[5])]) == ExitCode.CONFIG, "not in the set yet"
    assert run([*approve, str(homes[3]), "--output", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["approved_power"] == 20
    assert run(["validators", "submit", str(change), str(tmp_path / "two.json")]) == 0
    assert key_of(5) in validator_sets(chamber.state).next.index_of
    assert key_of(4) not in validator_sets(chamber.state).next.index_of
    capsys.readouterr()
    assert run(["validators", "show"]) == 0
    assert "change 1 made at" in capsys.readouterr().out
    assert run(["validators", "submit", str(change)]) == ExitCode.VERIFICATION, "a change is good once"


def test_what_init_prints_is_a_card(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", "--home", str(tmp_path / "home"), "--devnet", "--output", "json"]) == 0
    card = msgspec.json.decode(capsys.readouterr().out, type=Card)
    shown = validators_of(chamber_world().state)
    assert propose(shown, [], [newcomer(card, 5)], {}, UNTIL).after.total_power == 45


def test_an_approval_for_another_network_is_refused(
    chamber: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = make_home(tmp_path, chamber, 1)
    change = tmp_path / "change.json"
    assert run(["validators", "propose", "--power", f"{key_of(1).hex()}=11", "--out", str(change)]) == 0
    assert f"stays   {key_of(1).hex()} with power 11, now 10" in capsys.readouterr().out
    other = msgspec.structs.replace(chamber.genesis, name="other")
    (home / "genesis.json").write_bytes(genesis_to_json(other))
    before = change.read_bytes()
    assert run(["validators", "approve", str(change), "--devnet", "--home", str(home)]) == ExitCode.VERIFICATION
    assert change.read_bytes() == before


@pytest.mark.parametrize(
    "arguments",
    [["--leave", "zz"], ["--power", "5"], ["--power", "00=x"], ["--enter", "nowhere=5"], ["--enter", "x=0"]],
    ids=lambda each: each[0],
)
def test_odd_arguments_are_refused_as_usage(chamber: World, tmp_path: Path, arguments: list[str]) -> None:
    assert run(["validators", "propose", *arguments, "--out", str(tmp_path / "x")]) == ExitCode.USAGE
