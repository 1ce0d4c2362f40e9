"""Whatever is sent to the API, allowed by its description or not, is answered as the description states."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from schemathesis import GenerationMode
from schemathesis.core.failures import AcceptedNegativeData, Failure, MalformedJson
from schemathesis.openapi.checks import (
    JsonSchemaError,
    MissingHeaders,
    UndefinedContentType,
    UndefinedStatusCode,
)
from starlette.applications import Starlette
from starlette.responses import Response
from trio.testing import MockClock

from member.api.state import Health
from member.api.types import Problem
from member.codes import NodeCode
from node.api import chain, governance
from node.api.calls import JSON, ApiCall, ApiRefusal, Parameter, Route, Turnstile, respond
from node.config import Api
from node.http import routes, server
from node.http.routes import ROUTES, openapi
from node.http.server import build_api
from tests.kit.node.answering_node import AnsweringNode, answering_node
from tests.kit.node.described_calls import AllowedRefused, NodeFailed, NoStableCode, described, try_calls
from tests.kit.node.fake_view import ALICE, NOW, client_of, signed, status_and_code

ALLOWED, FORBIDDEN = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
CONSTRAINED = tuple(route for route in ROUTES if route.parameters or JSON in route.body_media)
"""Routes of which a call can be wrong by a value."""
OPERATIONS = described(openapi())


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnsweringNode]:
    with answering_node(tmp_path_factory.mktemp("answering")) as node:
        yield node


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is taken once in a second or two is taken at once."""
    for topic in (chain, governance):
        monkeypatch.setattr(topic, "_turnstile", Turnstile(0.0))


def app_of(node: AnsweringNode) -> Starlette:
    return build_api(node.view, Api(requests_burst=100_000), lambda: NOW)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_what_is_allowed_is_answered_as_described(node: AnsweringNode, route: Route) -> None:
    try_calls(node, app_of(node), OPERATIONS[route.path][route.method], ALLOWED)


@pytest.mark.parametrize("route", CONSTRAINED, ids=lambda route: route.name)
def test_what_is_forbidden_is_refused_as_described(node: AnsweringNode, route: Route) -> None:
    try_calls(node, app_of(node), OPERATIONS[route.path][route.method], FORBIDDEN)


def path_of(node: AnsweringNode, route: Route) -> str:
    """With values that the node knows."""
    values = {
        parameter.name: next(each for each in node.known[parameter.name] if re.fullmatch(parameter.pattern, each))
        for parameter in route.parameters
        if parameter.where == "path"
    }
    return route.path.format(**values)


async def test_the_node_has_something_under_every_route_but_two(node: AnsweringNode, autojump_clock: MockClock) -> None:
    node.submissions.begin()
    refused = set()
    async with client_of(node.view) as client:
        # A stream does not end by itself; it has tests of its own.
        for route in (each for each in ROUTES if each.method == "GET" and each.name != "stream"):
            path = path_of(node, route) + ("?account=1" if route.name == "receipts" else "")
            response = await client.get(path, headers=signed(ALICE, path, network=node.view.network))
            if response.status_code != 200:
                refused.add((route.name, response.status_code))
    assert refused == {("guardian_order", 404), ("protocol", 404)}, "no upgrade is scheduled, no vault got an order"


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
async def test_an_undeclared_parameter_another_method_and_a_slash_more_are_refused(
    node: AnsweringNode, route: Route
) -> None:
    path = path_of(node, route)
    methods = {each.method for each in ROUTES if each.path == route.path}
    async with client_of(node.view) as client:
        assert status_and_code(await client.request(route.method, f"{path}?undeclared=1")) == (400, "R0842")
        for method in {"GET", "PUT", "POST", "PATCH", "DELETE", "TRACE"} - methods:
            refused = await client.request(method, path)
            assert status_and_code(refused) == (405, "R0841")
            assert methods <= set(refused.headers["allow"].split(", ")) <= {*methods, "HEAD"}
        assert status_and_code(await client.request(route.method, f"{path}/")) == (404, "R0840")


def fails(_: ApiCall) -> Health:
    raise ZeroDivisionError


def answers_in_another_shape(_: ApiCall) -> Response:
    return respond({"status": 7})


def answers_with_an_unstated_status(_: ApiCall) -> Response:
    return respond(Health(), 418)


def answers_in_another_media_type(_: ApiCall) -> Response:
    return Response(b'{"status":"ok"}', media_type="text/plain")


def answers_no_json(_: ApiCall) -> Response:
    return Response(b"{", media_type=JSON)


def refuses_in_another_shape(_: ApiCall) -> Response:
    return respond({"error": "not now"}, 503)


def refuses_by_an_unknown_code(_: ApiCall) -> Response:
    return respond(Problem(code="R9999", message="not now", at="here", remedy="Wait."), 503)


def refuses_with_another_remedy(_: ApiCall) -> Response:
    return respond(Problem(code="R0851", message="not now", at="here", remedy="Wait."), 503)


def does_not_say_how_long_to_wait(_: ApiCall) -> Response:
    raise ApiRefusal(429, NodeCode.API_RATE, "request")


@pytest.fixture
def planted(node: AnsweringNode, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Try calls of a node that has one more route."""

    def try_planted(handler: Callable[[ApiCall], Any], mode: GenerationMode, taken: str = "[0-9]") -> None:
        number = Parameter("number", "path", taken, "any")
        route = Route("GET", "/v1/planted/{number}", "planted", "", handler, Health, JSON, (200,), (503,), (number,))
        for module in (routes, server):
            monkeypatch.setattr(module, "ROUTES", (*ROUTES, route))
        document = openapi()
        document["paths"][route.path]["get"]["parameters"][0]["schema"]["pattern"] = "^[0-9]$"
        try_calls(node, app_of(node), described(document)[route.path]["GET"], mode)

    return try_planted


@pytest.mark.parametrize("mode", [ALLOWED, FORBIDDEN], ids=str)
def test_a_route_without_fault_passes(planted: Callable[..., None], mode: GenerationMode) -> None:
    planted(lambda _: Health(), mode)


@pytest.mark.parametrize(
    ("handler", "found"),
    [
        (fails, NodeFailed),
        (answers_in_another_shape, JsonSchemaError),
        (answers_with_an_unstated_status, UndefinedStatusCode),
        (answers_in_another_media_type, UndefinedContentType),
        (answers_no_json, MalformedJson),
        (refuses_in_another_shape, JsonSchemaError),
        (refuses_by_an_unknown_code, NoStableCode),
        (refuses_with_another_remedy, NoStableCode),
        (does_not_say_how_long_to_wait, MissingHeaders),
    ],
)
def test_a_planted_fault_is_found(
    planted: Callable[..., None], handler: Callable[[ApiCall], Any], found: type[Failure]
) -> None:
    with pytest.raises(BaseExceptionGroup) as raised:
        planted(handler, ALLOWED)
    assert raised.group_contains(found)


def test_a_route_that_takes_what_its_description_forbids_is_found(planted: Callable[..., None]) -> None:
    with pytest.raises(BaseExceptionGroup) as raised:
        planted(lambda _: Health(), FORBIDDEN, taken=".*")
    assert raised.group_contains(AcceptedNegativeData)


def test_a_route_that_refuses_what_its_description_allows_is_found(planted: Callable[..., None]) -> None:
    with pytest.raises(BaseExceptionGroup) as raised:
        planted(lambda _: Health(), ALLOWED, taken="[0-4]")
    assert raised.group_contains(AllowedRefused)
