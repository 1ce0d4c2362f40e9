"""Rules of the HTTP API, over the ASGI application and once over a real socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.base.codec import encode
from clearing.base.errors import Bug
from clearing.base.token_bucket import TokenBuckets
from clearing.schema.blocks.transaction import Transaction, transaction_hash
from clearing.schema.receipts.accounts import CashTransferred
from clearing.schema.receipts.collateral import DepositCredited
from clearing.schema.receipts.liquidation import Liquidated, TakenOverPosition
from clearing.schema.requests.accounts import CashTransfer
from clearing.schema.requests.trades import Trade
from clearing.schema.requests.withdrawals import Withdrawal
from member.api.accounts import AccountView
from member.api.chain import ValidatorsView
from member.api.proofs import PackagePage
from member.api.receipts import named
from member.api.state import StateView
from member.api.submit import SubmitBody, SubmitResults, TransactionList, body_of, transaction_of
from member.explaining.receipt_index import receipt_accounts
from node.api import calls, submit
from node.api.calls import MSGPACK, ApiCall
from node.config import Api
from node.http import server
from node.http.routes import ROUTES, openapi
from node.http.server import build_api, serve_api
from tests.kit.node.fake_view import ALICE, GOVERNED, NOW, STRANGER, FakeView, client_of, signed, status_and_code


@pytest.fixture
def view() -> FakeView:
    return FakeView()


@pytest.fixture
async def client(view: FakeView) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(view) as made:
        yield made


async def test_state_headers_and_packages_are_public(client: httpx.AsyncClient) -> None:
    state = await client.get("/v1/state")
    assert state.status_code == 200
    assert msgspec.json.decode(state.content, type=StateView).height == 3
    for path in ("/v1/headers/latest", "/v1/headers/3"):
        assert (await client.get(path)).json()["signers"] == [0, 1, 2, 3]
    for path in ("/v1/proofs/latest", "/v1/proofs/1"):
        package = await client.get(path)
        assert (package.content, package.headers["etag"]) == (b"package", f'"{"64" * 32}"')
    for path in ("/v1/headers/4", "/v1/proofs/2"):
        assert status_and_code(await client.get(path)) == (404, "R0840")


async def test_packages_are_listed_page_by_page(client: httpx.AsyncClient) -> None:
    first = msgspec.json.decode((await client.get("/v1/proofs")).content, type=PackagePage)
    assert [each.epoch for each in first.packages] == list(range(1, 501))
    second = msgspec.json.decode((await client.get(f"/v1/proofs?after={first.next}")).content, type=PackagePage)
    assert ([each.epoch for each in second.packages], second.next) == (list(range(501, 700)), "")
    assert status_and_code(await client.get("/v1/proofs?after=-1")) == (400, "R0842")


async def test_who_agrees_is_public(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/validators")
    assert response.status_code == 200
    assert msgspec.json.decode(response.content, type=ValidatorsView).hash == "0x" + GOVERNED.validators.hash.hex()


async def test_a_node_without_a_height_says_so(view: FakeView, client: httpx.AsyncClient) -> None:
    view.empty = True
    assert status_and_code(await client.get("/v1/state")) == (503, "R0851")


async def test_a_member_sees_its_own_account(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/accounts/1", headers=signed(ALICE, "/v1/accounts/1"))
    assert response.status_code == 200
    assert msgspec.json.decode(response.content, type=AccountView).equity_micros == "0"


@pytest.mark.parametrize("account", [2, 99])
async def test_anothers_account_and_an_unknown_one_are_refused_alike(client: httpx.AsyncClient, account: int) -> None:
    for target in (f"/v1/accounts/{account}", f"/v1/receipts?account={account}"):
        assert status_and_code(await client.get(target, headers=signed(ALICE, target))) == (403, "R0848")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "R0847"),
        ({"Authorization": "Bearer x"}, "R0847"),
        ({"Authorization": f"Crossclear {NOW}:{'0' * 64}:{'0' * 130}"}, "R0847"),
        (signed(STRANGER, "/v1/accounts/1"), "R0847"),
        (signed(ALICE, "/v1/accounts/2"), "R0847"),
        (signed(ALICE, "/v1/accounts/1", method="POST"), "R0847"),
        (signed(ALICE, "/v1/accounts/1", time_ms=NOW - 30_001), "R0849"),
        (signed(ALICE, "/v1/accounts/1", time_ms=NOW + 30_001), "R0849"),
    ],
)
async def test_a_request_that_is_not_signed_for_this_is_refused(
    client: httpx.AsyncClient, headers: dict[str, str], code: str
) -> None:
    assert status_and_code(await client.get("/v1/accounts/1", headers=headers)) == (401, code)


async def test_a_signed_request_is_taken_once(client: httpx.AsyncClient) -> None:
    headers = signed(ALICE, "/v1/accounts/1", time_ms=NOW + 30_000)
    assert (await client.get("/v1/accounts/1", headers=headers)).status_code == 200
    assert status_and_code(await client.get("/v1/accounts/1", headers=headers)) == (401, "R0850")


async def test_remembered_nonces_are_bounded_and_refuse_when_full(
    view: FakeView, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "NONCES_MAX", 2)
    now = NOW
    async with client_of(view, lambda: now) as client:
        path = "/v1/accounts/1"
        for expected in (200, 200):
            assert (await client.get(path, headers=signed(ALICE, path))).status_code == expected
        refused = await client.get(path, headers=signed(ALICE, path))
        assert (status_and_code(refused), refused.headers["retry-after"]) == ((429, "R0845"), "60")
        now += 60_001
        assert (await client.get(path, headers=signed(ALICE, path, time_ms=now))).status_code == 200


async def test_receipts_come_page_by_page(client: httpx.AsyncClient) -> None:
    found, after = [], "0:0"
    while after:
        target = f"/v1/receipts?account=1&limit=2&after={after}"
        page = (await client.get(target, headers=signed(ALICE, target))).json()
        found += [(each["height"], each["index"]) for each in page["receipts"]]
        after = page["next"]
    assert found == [(1, 0), (1, 1), (2, 0), (2, 1)]


async def test_the_newest_receipts_come_first_where_that_is_asked(client: httpx.AsyncClient) -> None:
    found, target = [], "/v1/receipts?account=1&limit=3&order=newest"
    page = (await client.get(target, headers=signed(ALICE, target))).json()
    found += [(each["height"], each["index"]) for each in page["receipts"]]
    target = f"{target}&after={page['next']}"
    page = (await client.get(target, headers=signed(ALICE, target))).json()
    found += [(each["height"], each["index"]) for each in page["receipts"]]
    assert (found, page["next"]) == ([(2, 1), (2, 0), (1, 1), (1, 0)], "")


BAD_QUERIES = ("", "-1", "1&x=2", "1&account=2", "1&limit=0", "1&after=x", "1&order=", "1&order=random", "²")


@pytest.mark.parametrize("query", ["", *(f"?account={each}" for each in BAD_QUERIES)])
async def test_a_bad_parameter_is_refused_before_anything_else(client: httpx.AsyncClient, query: str) -> None:
    assert status_and_code(await client.get(f"/v1/receipts{query}")) == (400, "R0842")


JSON = {"content-type": "application/json"}
TRADE = Trade(1, 2, 1, 2, 3, 40, 50_000, NOW, b"b" * 65, b"s" * 65)
WITHDRAWAL = Withdrawal(1, 2, 3_000_000, b"t" * 20, 1, NOW, b"w" * 65)
TRANSFER = CashTransfer(1, 2, 1, 5, 1, NOW, b"c" * 65)
EXPIRED = CashTransfer(1, 2, 1, 5, 1, 0, b"c" * 65)


async def test_a_refusal_for_want_of_workers_states_when_to_ask_again(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "WAITING_MAX", 0)
    refused = await client.get("/v1/accounts/1/margin", headers=signed(ALICE, "/v1/accounts/1/margin"))
    assert (status_and_code(refused), refused.headers["retry-after"]) == ((429, "R0845"), "1")


def submission(*transactions: Transaction) -> bytes:
    return msgspec.json.encode(SubmitBody(transactions=tuple(body_of(each) for each in transactions)))


async def test_transactions_are_taken_as_json_and_as_messagepack(view: FakeView, client: httpx.AsyncClient) -> None:
    everything = (TRADE, WITHDRAWAL, TRANSFER)
    json = {"content-type": "application/json; charset=utf-8"}
    first = await client.post("/v1/submit", content=submission(*everything), headers=json)
    assert first.status_code == 202
    assert tuple(view.submitted) == everything
    packed = encode(TransactionList(everything))
    second = await client.post("/v1/submit", content=packed, headers={"content-type": "application/msgpack"})
    results = msgspec.json.decode(second.content, type=SubmitResults).results
    assert [result.status for result in results] == ["known"] * 3
    assert results[0].hash == "0x" + transaction_hash(TRADE).hex()


async def test_each_refused_transaction_tells_its_own_reason(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/submit", content=submission(TRADE, EXPIRED), headers=JSON)
    assert response.status_code == 202
    problem = response.json()["results"][1]["problem"]
    assert (problem["code"], problem["at"]) == ("R0201", "not_after_ms")
    assert problem["remedy"]
    assert (await client.post("/v1/submit", content=submission(EXPIRED), headers=JSON)).status_code == 422


async def test_however_many_requests_arrive_at_once_one_group_is_checked_in_a_turn_of_the_event_loop(
    view: Any,
) -> None:
    trades = [msgspec.structs.replace(TRADE, venue_trade_id=number) for number in range(1, 41)]
    body, whole, most, last = encode(TransactionList(tuple(trades))), 10, 0, 0
    async with trio.open_nursery() as nursery:
        for _ in range(whole):
            nursery.start_soon(submit.submit, ApiCall(view, {}, body, MSGPACK))
        while last < whole * len(trades):
            await trio.lowlevel.checkpoint()
            most, last = max(most, len(view.submitted) - last), len(view.submitted)
    assert most <= 2 * submit.CHECKED_AT_ONCE, "of two turns, when this task is first in one and last in the next"


async def test_a_busy_network_states_when_to_send_again(view: FakeView, client: httpx.AsyncClient) -> None:
    view.busy_ms = 1_200
    response = await client.post("/v1/submit", content=submission(TRADE, TRANSFER), headers=JSON)
    assert (response.status_code, response.headers["retry-after"]) == (422, "2")
    assert {each["problem"]["code"] for each in response.json()["results"]} == {"R0832"}
    view.busy_ms = 0
    assert "retry-after" not in (await client.post("/v1/submit", content=submission(TRADE), headers=JSON)).headers


@pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning")  # the client's, when refused midway
@pytest.mark.parametrize(
    ("content", "media", "status", "code"),
    [
        (b"{}", "text/plain", 415, "R0846"),
        (b"{}", "", 415, "R0846"),
        (b"{}", "application/json", 400, "R0843"),
        (b"[" * 100_000, "application/json", 400, "R0843"),
        (b'{"transactions":[]}', "application/json", 400, "R0843"),
        (submission(TRADE).replace(b'"40"', b'"-40"'), "application/json", 400, "R0843"),
        (submission(TRADE).replace(b'"40"', b"40"), "application/json", 400, "R0843"),
        (submission(TRADE).replace(b'"40"', b'"9999999999999999999"'), "application/json", 400, "R0843"),
        (submission(TRADE).replace(b'"40"', b'"9223372036854775808"'), "application/json", 400, "R0843"),
        (submission(TRADE).replace(b'"lots"', b'"lotz"'), "application/json", 400, "R0843"),
        (submission(*([TRANSFER] * 101)), "application/json", 400, "R0843"),
        (encode(TransactionList(())), "application/msgpack", 400, "R0843"),
        (b"\xc1", "application/msgpack", 400, "R0102"),
        (b"x" * 2_000_000, "application/json", 413, "R0844"),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_a_bad_body_is_refused_by_name(
    client: httpx.AsyncClient, content: bytes, media: str, status: int, code: str
) -> None:
    assert status_and_code(
        await client.post("/v1/submit", content=content, headers={"content-type": media} if media else {})
    ) == (status, code)


def test_an_amount_beyond_63_bits_never_becomes_a_transaction() -> None:
    edge = submission(TRADE).replace(b'"40"', b'"9223372036854775808"')
    body = msgspec.json.decode(edge, type=SubmitBody)
    with pytest.raises(msgspec.ValidationError):
        transaction_of(body.transactions[0])


@given(data=st.binary(max_size=200), media=st.sampled_from(["application/json", "application/msgpack"]))
@settings(deadline=None, max_examples=200)
def test_no_body_crashes_the_submission(data: bytes, media: str) -> None:
    async def post() -> httpx.Response:
        async with client_of(FakeView()) as client:
            return await client.post("/v1/submit", content=data, headers={"content-type": media})

    response = trio.run(post)
    assert response.status_code in (202, 400, 422)


@given(path=st.text(max_size=40).filter(str.isprintable), value=st.text(max_size=40).filter(str.isprintable))
@settings(deadline=None, max_examples=100)
def test_no_path_or_header_crashes_the_server(path: str, value: str) -> None:
    async def get() -> list[int]:
        async with client_of(FakeView()) as client:
            header = {"Authorization": value.encode()}
            answers = [
                await client.get("/v1/" + quote(path)),
                await client.get("/v1/accounts/1", headers=header),
                await client.get(httpx.URL("http://node/v1/receipts", params={"account": path, value: path})),
            ]
            return [answer.status_code for answer in answers]

    assert max(trio.run(get)) < 500


async def test_readiness_tells_its_reasons(view: FakeView, client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).json() == {"status": "ok"}
    assert (await client.get("/readyz")).status_code == 200
    view.ready = False
    response = await client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["checks"][0] == {"name": "peers", "ok": False, "detail": "3 of 3"}


async def test_metrics_are_prometheus_text(client: httpx.AsyncClient) -> None:
    response = await client.get("/metrics")
    assert "crossclear_consensus_height 3.0" in response.text
    assert response.headers["content-type"].startswith("text/plain")


async def test_a_failure_of_ours_is_told_without_our_inside(view: FakeView, client: httpx.AsyncClient) -> None:
    view.fault = ZeroDivisionError("a secret inside")
    response = await client.get("/v1/state")
    assert status_and_code(response) == (500, "R0852")
    assert "secret" not in response.text


async def test_unknown_paths_and_methods_are_refused_in_the_same_shape(client: httpx.AsyncClient) -> None:
    missing, method = await client.get("/nothing"), await client.delete("/v1/state")
    assert status_and_code(missing) == (404, "R0840")
    assert status_and_code(method) == (405, "R0841")


async def test_a_client_that_asks_too_often_is_told_to_wait(view: FakeView) -> None:
    async with client_of(view, requests_burst=2, requests_per_second=1) as client:
        statuses = [(await client.get("/v1/state")).status_code for _ in range(3)]
        assert statuses == [200, 200, 429]
        refused = await client.get("/v1/state")
        assert refused.headers["retry-after"] == "1"
        assert (await client.get("/healthz")).status_code == 200


def test_a_bucket_fills_with_time_and_old_buckets_make_room() -> None:
    limiter = TokenBuckets(per_second=10, burst=2, ticks=1000, keys_max=100)
    assert [limiter.take("a", 0) for _ in range(3)] == [True, True, False]
    assert [limiter.wait("a", now) for now in (0, 99)] == [100, 1]
    assert limiter.take("a", 100)
    for number in range(100):
        assert limiter.take(str(number), 100)
    assert [limiter.take("a", 100) for _ in range(2)] == [True, True]


async def test_the_description_and_the_server_come_from_one_table(view: FakeView, client: httpx.AsyncClient) -> None:
    described = (await client.get("/openapi.json")).json()
    assert described == msgspec.json.decode(msgspec.json.encode(openapi()))
    app = build_api(view, Api(page=False), lambda: NOW)
    routed: dict[str, set[str]] = {}
    for route in app.routes:
        routed.setdefault(route.path, set()).update(getattr(route, "methods", {"GET"}) - {"HEAD"})
    routed.pop("/openapi.json")
    assert {path: {method.upper() for method in item} for path, item in described["paths"].items()} == routed
    for route in ROUTES:
        operation = described["paths"][route.path][route.method.lower()]
        assert [each["name"] for each in operation.get("parameters", [])] == [each.name for each in route.parameters]
        assert ("security" in operation) == (route.signed or route.may_sign)
        assert ({} in operation.get("security", [])) == route.may_sign, "unsigned requests are answered too"
        assert set(operation["responses"]) == {str(status) for status in (*route.statuses, *route.refusal_statuses)}
        assert all(f"{{{each.name}}}" in route.path for each in route.parameters if each.where == "path")


async def test_peers_are_told_with_roles_scores_and_bans_and_without_addresses(client: httpx.AsyncClient) -> None:
    (peer,) = (await client.get("/v1/peers")).json()["peers"]
    assert peer == {
        "key": "70" * 32,
        "role": "validator",
        "connected": True,
        "connections": 2,
        "rtt_ms": 1,
        "score": 75,
        "faults": 1,
        "last_fault": "R0102 malformed at vote",
        "bans": 1,
        "banned_ms": 250,
    }


def test_every_schema_that_the_description_refers_to_is_there() -> None:
    described = openapi()
    text = msgspec.json.encode(described).decode()
    for name in described["components"]["schemas"]:
        assert f"#/components/schemas/{name}" in text
    wanted = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert wanted == set(described["components"]["schemas"])


def test_a_receipt_shows_narrow_integers_as_numbers_and_amounts_as_strings() -> None:
    taken = TakenOverPosition(7, -3, -9, 100, -5)
    receipt = Liquidated(1, -2, 3, 2, (1, 3), (taken,), 300, 1, (), ((1, 5),), 4, 1)
    shown = named(receipt)
    assert shown["equity"] == "-2"
    assert shown["positions"] == [
        {"instrument": 7, "lots": "-3", "of_lots": "-9", "mark_ticks": "100", "received": "-5"}
    ]
    assert shown["fraction"] == ["1", "3"]
    assert shown["deficits"] == [[1, "5"]]


def test_a_receipt_is_read_by_the_accounts_that_it_names() -> None:
    assert receipt_accounts(CashTransferred(0, 9, 2, 1, 5, 1)) == (2, 9)
    credited = DepositCredited(1, bytes(20), 1, 1, 4, 1, 0, bytes(32))
    assert receipt_accounts(credited) == (4,)


@asynccontextmanager
async def client_of_a_socket(view: FakeView) -> AsyncIterator[httpx.AsyncClient]:
    settings = Api(port=0)
    async with trio.open_nursery() as nursery:
        urls = await nursery.start(serve_api, build_api(view, settings, lambda: NOW), settings)
        async with httpx.AsyncClient(base_url=urls[0], timeout=60) as client:
            yield client
        nursery.cancel_scope.cancel()


async def test_the_api_answers_on_a_real_socket_and_ends_when_cancelled(view: FakeView) -> None:
    async with client_of_a_socket(view) as client:
        assert (await client.get("/v1/state")).json()["height"] == 3
        assert (await client.post("/v1/submit", content=submission(TRADE), headers=JSON)).status_code == 202


async def test_a_broken_invariant_ends_the_server(view: FakeView) -> None:
    view.fault = Bug("the sum is not zero")
    with pytest.RaisesGroup(pytest.RaisesExc(Bug, match="not zero"), flatten_subgroups=True):
        async with client_of_a_socket(view) as client:
            with suppress(httpx.HTTPError):  # the answer may be cut short
                assert (await client.get("/v1/state")).status_code == 500
            await trio.sleep_forever()
