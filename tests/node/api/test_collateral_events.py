"""A submitter with key or token submits a collateral event; anybody sees how far it is, by the API and by command."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import msgspec
import pytest
import trio

from bridge.evm.events import SubmittedEvent
from clearing.base.hashing import sha256
from cli.main import run
from devnet.anvil import Anvil
from member.api.collateral_events import CollateralEventView
from member.client.collateral_events import proof_body
from node.api import event_stream
from node.api.calls import ApiRefusal
from node.app.clock import clock_ms
from node.chains.submissions import Submission
from node.config import Api, Submitter
from node.http import submitters
from node.http.server import build_api, serve_api
from node.http.submitters import Submitters
from tests.kit.bridge.vault_chain import UNIT, VaultChain, make_signers
from tests.kit.clearing.genesis import ALICE as ALICE_ACCOUNT
from tests.kit.clearing.genesis import DOLLAR, USDC_1
from tests.kit.clearing.world import World, funded
from tests.kit.node.fake_view import ALICE, HASH, STRANGER, FakeView, asked, client_of, signed, status_and_code
from tests.kit.until import until

PATH = "/v1/collateral-events"
TOKEN = "5a" * 32
LISTED = (Submitter(name="bridge-a", token_sha256=sha256(TOKEN.encode()).hex()),)
BODY = {"chain_id": 1, "transaction_hash": HASH}
PROOF = SubmittedEvent(1, b"\x05" * 32, 0, 0, (b"node",))


def with_token(token: str = TOKEN) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def post(view: FakeView, body: Any, headers: dict[str, str], **settings: Any) -> httpx.Response:
    async with client_of(view, **settings) as client:
        return await client.post(
            PATH, content=json.dumps(body), headers={"Content-Type": "application/json", **headers}
        )


async def test_a_member_submits_by_its_key_and_again_without_harm() -> None:
    async with client_of(FakeView()) as client:
        for status in ("accepted", "known"):
            response = await asked(client, PATH, body=BODY)
            assert (response.status_code, response.json()["status"]) == (202, status)
        assert response.json()["reference"] == HASH


async def test_one_that_the_operator_listed_submits_by_its_token() -> None:
    response = await post(FakeView(), BODY, with_token(), submitters=LISTED)
    assert (response.status_code, response.json()["status"]) == (202, "accepted")


@pytest.mark.parametrize(
    "headers",
    [{}, with_token("5b" * 32), with_token(""), with_token(TOKEN + " "), {"Authorization": "Basic eDp5"}],
    ids=["nothing", "another", "empty", "blank", "basic"],
)
async def test_without_a_key_or_a_listed_token_nothing_is_taken(headers: dict[str, str]) -> None:
    view = FakeView()
    assert status_and_code(await post(view, BODY, headers, submitters=LISTED)) == (401, "R0847")
    assert status_and_code(await post(view, BODY, signed(STRANGER, PATH), submitters=LISTED)) == (401, "R0847")
    assert view.submission_status(1, bytes.fromhex(HASH[2:]), view.state) is None


async def test_a_token_opens_no_account() -> None:
    async with client_of(FakeView(), submitters=LISTED) as client:
        assert status_and_code(await client.get("/v1/accounts/1", headers=with_token())) == (401, "R0847")


async def test_a_token_that_travels_unencrypted_is_refused() -> None:
    for settings, code in (({"host": "0.0.0.0"}, 403), ({"host": "0.0.0.0", "behind_tls": True}, 202)):  # noqa: S104
        assert (await post(FakeView(), BODY, with_token(), submitters=LISTED, **settings)).status_code == code


def test_each_submitter_has_a_rate_of_its_own() -> None:
    limits = Submitters(Api(submitters=LISTED))
    for _ in range(submitters.EVENTS_BURST):
        limits.check_rate("a", 0)
    with pytest.raises(ApiRefusal) as caught:
        limits.check_rate("a", 0)
    assert (caught.value.status, caught.value.headers) == (429, {"Retry-After": "1"})
    limits.check_rate("b", 0)
    limits.check_rate("a", 1000 // submitters.EVENTS_PER_SECOND)


async def test_a_receipt_proof_is_named_by_what_it_proves() -> None:
    async with client_of(FakeView()) as client:
        references = []
        for proof in (PROOF, PROOF, msgspec.structs.replace(PROOF, proof=(b"other",))):
            body = msgspec.to_builtins(proof_body(proof))
            references.append((await asked(client, PATH, body=body)).json()["reference"])
        assert references[0] == references[1] != references[2]
        assert (await client.get(f"{PATH}/1/{references[0]}")).json()["progress"] == "submitted"


@pytest.mark.parametrize(
    "change",
    [
        {"transaction_hash": None},
        {"receipt_proof": msgspec.to_builtins(proof_body(PROOF))["receipt_proof"]},
        {"transaction_hash": "0x12"},
        {"chain_id": -1},
        {
            "transaction_hash": None,
            "receipt_proof": {"block_hash": HASH, "receipt_index": 0, "log_index": 0, "proof": []},
        },
        {
            "transaction_hash": None,
            "receipt_proof": {"block_hash": HASH, "receipt_index": 0, "log_index": 0, "proof": ["0x"]},
        },
        {
            "transaction_hash": None,
            "receipt_proof": {"block_hash": HASH, "receipt_index": 0, "log_index": 0, "proof": ["0x00"] * 65},
        },
        {
            "transaction_hash": None,
            "receipt_proof": {"block_hash": HASH, "receipt_index": 2**32, "log_index": 0, "proof": ["0x00"]},
        },
    ],
    ids=["neither", "both", "short", "negative", "no nodes", "empty node", "many nodes", "large index"],
)
async def test_a_body_that_points_at_no_one_event_is_refused(change: dict[str, Any]) -> None:
    async with client_of(FakeView()) as client:
        assert status_and_code(await asked(client, PATH, body=BODY | change)) == (400, "R0843")


async def test_a_chain_that_the_network_does_not_list_is_refused() -> None:
    async with client_of(FakeView()) as client:
        assert status_and_code(await asked(client, PATH, body=BODY | {"chain_id": 99})) == (422, "R0605")


@pytest.mark.parametrize(("why", "code"), [(Submission.NOT_WATCHED, "R0872"), (Submission.NO_ROOM, "R0873")])
async def test_an_event_that_nobody_will_look_for_is_not_called_known(why: Submission, code: str) -> None:
    view = FakeView()
    view.refuses_events = why
    async with client_of(view) as client:
        assert status_and_code(await asked(client, PATH, body=BODY)) == (503, code)


async def test_what_was_not_submitted_here_has_no_status() -> None:
    async with client_of(FakeView()) as client:
        for target, answer in (
            (f"1/{HASH}", (404, "R0840")),
            ("1/0x12", (400, "R0842")),
            (f"-1/{HASH}", (400, "R0842")),
        ):
            assert status_and_code(await client.get(f"{PATH}/{target}")) == answer


class ProvenChain(SimpleNamespace):
    """A chain whose one transaction made these facts, final and scanned."""

    async def of_transaction(self, _: bytes) -> Any:
        return self.facts

    async def check_final(self, *_: object) -> None:
        return None


async def follow(view: FakeView, facts: Any, nursery: trio.Nursery) -> None:
    """Until the view has proven the submitted transaction."""
    chain = ProvenChain(facts=facts, cursor=SimpleNamespace(number=10**9))
    chain.status = SimpleNamespace(final_number=10**9, halt=None)
    emitted = trio.Event()

    async def emit(_: object) -> None:
        emitted.set()

    nursery.start_soon(view.submissions.follow, 1, chain, chain, emit)
    await emitted.wait()


async def test_the_status_names_each_event_and_why_one_is_refused(nursery: trio.Nursery) -> None:
    world: World = funded()
    credited = world.deposit_fact(ALICE_ACCOUNT, USDC_1, 5 * DOLLAR)
    unknown = world.deposit_fact(77, USDC_1, DOLLAR)
    view = FakeView(world.state)
    async with client_of(view) as client:
        await asked(client, PATH, body=BODY)
        await follow(view, (credited, unknown), nursery)
        world.block(facts=[credited, unknown])
        view._state = world.state
        view.submissions.settle(world.state)
        answer = await client.get(f"{PATH}/1/{HASH}")
        shown = msgspec.json.decode(answer.content, type=CollateralEventView)
    assert shown.progress == "refused"
    assert [(each.kind, each.number, each.account, each.progress) for each in shown.events] == [
        ("deposit", credited.nonce, ALICE_ACCOUNT, "credited"),
        ("deposit", unknown.nonce, 77, "refused"),
    ]
    problem = shown.events[1].problem
    assert problem is not None
    assert (problem.code, bool(problem.remedy)) == ("R0311", True)
    nursery.cancel_scope.cancel()


def steps_of(answer: httpx.Response) -> list[str]:
    lines = [line for line in answer.text.split("\n") if line.startswith("data: ")]
    return [msgspec.json.decode(line[6:], type=CollateralEventView).progress for line in lines]


def ids_of(answer: httpx.Response) -> list[str]:
    return [line[4:] for line in answer.text.split("\n") if line.startswith("id: ")]


async def test_a_stream_shows_each_step_and_ends_with_the_last(nursery: trio.Nursery, monkeypatch: Any) -> None:
    monkeypatch.setattr(event_stream, "LOOK_SECONDS", 0.01)
    world: World = funded()
    fact = world.deposit_fact(ALICE_ACCOUNT, USDC_1, 5 * DOLLAR)
    view = FakeView(world.state)
    async with client_of(view) as client:
        await asked(client, PATH, body=BODY)
        answers: list[httpx.Response] = []

        async def ask() -> None:
            answers.append(await client.get(f"{PATH}/1/{HASH}/stream"))

        async with trio.open_nursery() as asking:
            asking.start_soon(ask)
            await until(lambda: event_stream._open.borrowed_tokens, "a stream is open")
            await follow(view, (fact,), nursery)
            world.block(facts=[fact])
            view._state = world.state
            view.submissions.settle(world.state)
        assert answers[0].headers["content-type"].startswith("text/event-stream")
        steps = steps_of(answers[0])
        assert (steps[0], steps[-1]) == ("submitted", "credited")
        assert event_stream._open.borrowed_tokens == 0
        assert steps_of(await client.get(f"{PATH}/1/{HASH}/stream")) == ["credited"], "what has ended is shown once"
    nursery.cancel_scope.cancel()


async def test_a_stream_without_a_step_ends_by_itself(monkeypatch: Any) -> None:
    for name, seconds in (("LOOK_SECONDS", 0.01), ("QUIET_SECONDS", 0.0), ("STREAM_SECONDS_MAX", 0.05)):
        monkeypatch.setattr(event_stream, name, seconds)
    async with client_of(FakeView()) as client:
        await asked(client, PATH, body=BODY)
        answer = await client.get(f"{PATH}/1/{HASH}/stream")
        assert steps_of(answer) == ["submitted"]
        assert ": no step" in answer.text
        assert status_and_code(await client.get(f"{PATH}/1/0x{'99' * 32}/stream")) == (404, "R0840")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams that end soon, and a history of this test alone."""
    for name, seconds in (("LOOK_SECONDS", 0.01), ("STREAM_SECONDS_MAX", 0.05)):
        monkeypatch.setattr(event_stream, name, seconds)
    monkeypatch.setattr(event_stream, "history", event_stream.StepHistory())


@pytest.mark.usefixtures("quick")
async def test_a_reader_that_comes_back_gets_the_steps_that_it_missed(nursery: trio.Nursery) -> None:
    world: World = funded()
    fact = world.deposit_fact(ALICE_ACCOUNT, USDC_1, 5 * DOLLAR)
    view = FakeView(world.state)
    path = f"{PATH}/1/{HASH}/stream"
    async with client_of(view) as client:
        await asked(client, PATH, body=BODY)
        (begun,) = ids_of(await client.get(path))
        await follow(view, (fact,), nursery)
        other = await client.get(path)
        assert steps_of(other) == ["proven"], "without an id, the newest step"
        world.block(facts=[fact])
        view._state = world.state
        view.submissions.settle(world.state)
        resumed = await client.get(path, headers={"Last-Event-ID": begun})
        assert steps_of(resumed) == ["proven", "credited"]
        assert ids_of(resumed)[0] == ids_of(other)[0]
        ended = await client.get(path, headers={"Last-Event-ID": ids_of(resumed)[-1]})
        assert (ended.status_code, ended.content) == (204, b"")
        assert steps_of(await client.get(path, headers={"Last-Event-ID": ids_of(other)[0]})) == ["credited"]
    nursery.cancel_scope.cancel()


@pytest.mark.usefixtures("quick")
async def test_an_id_that_means_nothing_here_shows_the_newest_step() -> None:
    async with client_of(FakeView()) as client:
        await asked(client, PATH, body=BODY)
        path = f"{PATH}/1/{HASH}/stream"
        (last,) = ids_of(await client.get(path))
        for unknown in ("ab" * 8 + "-1", last[:-1] + "9"):
            assert steps_of(await client.get(path, headers={"Last-Event-ID": unknown})) == ["submitted"]
        assert steps_of(await client.get(path, headers={"Last-Event-ID": last})) == []
        for odd in ("x", last + "x", "1" * 40):
            answer = await client.get(path, headers={"Last-Event-ID": odd})
            assert status_and_code(answer) == (400, "R0842")


def test_what_is_remembered_of_streams_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "SUBJECTS_MAX", 3)
    history = event_stream.StepHistory()
    for subject in range(5):
        for number in range(1, 41):
            assert history.note(subject, event_stream.StreamStep(number, b"{}", is_end=False)).number == number
    kept = {subject: [each.number for each in history.after(subject, 0)] for subject in range(5)}
    assert kept == {0: [], 1: []} | {subject: list(range(25, 41)) for subject in (2, 3, 4)}


async def test_no_more_streams_are_open_than_the_node_has_room_for(monkeypatch: Any) -> None:
    monkeypatch.setattr(event_stream, "_open", trio.CapacityLimiter(1))
    event_stream._open.acquire_on_behalf_of_nowait("somebody")
    async with client_of(FakeView()) as client:
        await asked(client, PATH, body=BODY)
        refused = await client.get(f"{PATH}/1/{HASH}/stream")
        assert (status_and_code(refused), refused.headers["retry-after"]) == ((429, "R0845"), "20")


async def test_a_command_waits_by_the_stream(keys: dict[str, Path], capsys: Any, nursery: trio.Nursery) -> None:
    world: World = funded()
    fact = world.deposit_fact(ALICE_ACCOUNT, USDC_1, 5 * DOLLAR)
    view = FakeView(world.state)
    async with client_of(view) as client:
        await asked(client, PATH, body=BODY)
    await follow(view, (fact,), nursery)

    async def credit() -> None:
        await until(lambda: event_stream._open.borrowed_tokens, "the command reads a stream")
        world.block(facts=[fact])
        view._state = world.state
        view.submissions.settle(world.state)

    nursery.start_soon(credit)
    ((code, printed),) = await commands(view, capsys, ("status", 1, HASH, "--wait"))
    assert (code, "credited" in printed) == (0, True)
    nursery.cancel_scope.cancel()


async def commands(view: FakeView, capsys: Any, *lines: tuple[object, ...]) -> list[tuple[int, str]]:
    """Exit code and output of `crossclear collateral …` against a node."""
    ended, settings = [], Api(port=0, submitters=LISTED)
    async with trio.open_nursery() as serving:
        urls = await serving.start(serve_api, build_api(view, settings, clock_ms), settings)  # type: ignore[arg-type]
        for line in lines:
            words = ["collateral", *map(str, line), "--url", urls[0]]
            ended.append((await trio.to_thread.run_sync(run, words), capsys.readouterr().out))
        serving.cancel_scope.cancel()
    return ended


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, Path]:
    """Files with a member's key and with a submitter's token."""
    found = {"key": tmp_path / "key", "token": tmp_path / "token"}
    for name, text in (("key", ALICE.hex()), ("token", TOKEN)):
        found[name].touch(mode=0o600)
        found[name].write_text(text)
    return found


async def test_commands_submit_by_key_and_token_and_show_the_status(keys: dict[str, Path], capsys: Any) -> None:
    said = await commands(
        FakeView(),
        capsys,
        ("submit", 1, HASH, "--secret-file", keys["key"]),
        ("submit", 1, HASH, "--token-file", keys["token"]),
        ("status", 1, HASH),
        ("status", 1, "0x" + "99" * 32),
    )
    assert said[:2] == [(0, HASH + "\n")] * 2
    assert said[2][0] == 0
    assert "not found on its chain yet" in said[2][1]
    assert said[3][0] == 1


@pytest.mark.chain
async def test_a_command_makes_the_receipt_proof_from_any_endpoint(
    anvil: Any, keys: dict[str, Path], capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain: Anvil = anvil(1)
    vault = await trio.to_thread.run_sync(VaultChain, chain, make_signers((1, 1, 1, 1)))
    receipt = await trio.to_thread.run_sync(vault.deposit, 5 * UNIT)
    view = FakeView()
    terms = SimpleNamespace(chains=[SimpleNamespace(chain_id=1, vault=vault.vault_at.address)])

    async def listed(_: object) -> Any:
        return terms

    monkeypatch.setattr("member.client.node_client.NodeClient.terms", listed)
    transaction = "0x" + bytes(receipt["transactionHash"]).hex()
    line = ("submit", 1, transaction, "--token-file", keys["token"], "--rpc", chain.url)
    ((code, printed),) = await commands(view, capsys, line)
    assert code == 0
    reference = printed.strip()
    assert reference != transaction
    assert view.submission_status(1, bytes.fromhex(reference[2:]), view.state) is not None
